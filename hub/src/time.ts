/** Times as the wire writes them. */

/** ISO-8601 with the offset written out: Python before 3.11 does not read the `Z`. */
export function isoTime(epochMs: number): string {
  return `${new Date(epochMs).toISOString().slice(0, -1)}+00:00`;
}
