/** Owns the seam between the service's rooms and the two wire generations. All of it is pure mapping. */

import type {
  Cursor,
  EventPage,
  Generation,
  ObjectInfo,
  PublishRequest,
  PublishResult,
  PullRequest,
  UploadedObject,
} from "../types.ts";

/** A request as a dialect words it. */
export interface WireRequest {
  readonly path: string;
  readonly body?: unknown;
}

/** How a stream is opened: resumed by the path where the generation knows a query for it, and always by the header. */
export interface StreamRequest {
  readonly path: string;
  /** Value of `Last-Event-ID`; absent at the beginning of the topic. */
  readonly lastEventId?: string;
}

/** What a frame of the hint stream means. */
export type StreamSignal =
  | { readonly kind: "hint"; readonly position?: Cursor }
  | { readonly kind: "alive" }
  | { readonly kind: "error"; readonly code: string; readonly reason: string };

/** An object that still has to be uploaded. */
export interface UploadTicket {
  readonly object: UploadedObject;
  /** Absolute, self-authorising, to be sent verbatim. A secret. */
  readonly url: string;
  /** Sent with the upload, and no others. */
  readonly headers: Readonly<Record<string, string>>;
}

export interface NewObject {
  readonly topicId: string;
  readonly contentType: string;
  readonly filename?: string;
  readonly sizeBytes: number;
  /** SHA-256 of the content. */
  readonly sha256: Uint8Array;
}

/** One wire generation's data plane. Methods that read throw `malformed_response` for what they cannot. */
export interface Dialect {
  readonly generation: Generation;
  publish(request: PublishRequest): WireRequest;
  readPublished(document: unknown): Omit<PublishResult, "replayed">;
  pull(request: PullRequest): WireRequest;
  readPage(document: unknown, request: PullRequest): EventPage;
  stream(request: { topicId: string; after: Cursor | undefined; excludeSelf?: boolean }): StreamRequest;
  /** @param name The frame's event name; `message` when it has none. */
  readFrame(name: string, data: string, lastEventId: string): StreamSignal;
  createObject(object: NewObject): WireRequest;
  readTicket(document: unknown, object: NewObject): UploadTicket;
  objectInfo(topicId: string, objectId: string): WireRequest;
  readObjectInfo(document: unknown, objectId: string): ObjectInfo;
}
