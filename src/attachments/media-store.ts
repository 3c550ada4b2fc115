/** The host's store for incoming files, as the attachments room asks for it. */

export interface MediaStore {
  /**
   * Writes a file as it comes. Nothing stays behind when `bytes` throws.
   *
   * @returns its path.
   * @throws what `bytes` throws, or a file system's error.
   */
  save(bytes: AsyncIterable<Uint8Array>, name: string, contentType: string): Promise<string>;
  /** The type that the first bytes of a file tell, in lower case without parameters; undefined where they tell none. */
  detect(head: Uint8Array): Promise<string | undefined>;
  /** Removes what was saved here and has expired; the bytes of the rest. */
  sweep(): Promise<number>;
}
