/** What the rest of the plugin knows of the AgenTrux service: one vocabulary over both wire generations. */

/** The wire generation a server or a credential speaks (wire spec, section 5). */
export type Generation = "a" | "b";

/**
 * A read position in one topic: opaque outside `dialects/`. In generation A the decimal `sequence_no`, in generation B
 * the event's cursor (or its `evt_` id). The empty string means "from the oldest retained event".
 */
export type Cursor = string;

/** One event as the plugin sees it, whatever the generation. */
export interface TopicEvent {
  /** Bare topic UUID, without `top_`. */
  readonly topicId: string;
  /** As the service gave it (`<uuid>` or `evt_<uuid>`). */
  readonly eventId: string;
  /** The position just after this event. */
  readonly cursor: Cursor;
  /** Present where the server numbers events. */
  readonly sequence?: number;
  readonly type: string;
  readonly payload: unknown;
  readonly payloadRef?: string;
  /** Script id of the producer, as verified by the service; absent where the service does not tell. */
  readonly producer?: string;
  readonly correlationId?: string;
  readonly replyTopic?: string;
  readonly metadata?: Readonly<Record<string, unknown>>;
  /** ISO-8601. */
  readonly storedAt?: string;
}

export interface EventPage {
  /** In order of the topic, oldest first (newest first when `order` was `desc`). */
  readonly events: readonly TopicEvent[];
  /**
   * The position after the page, also when it is empty (generation B2's frontier); absent where the server gives none,
   * and on a page that was read back from a position.
   */
  readonly next?: Cursor;
  /** Nothing is on the page, and yet it is not the end: the service has left out what it was to filter. */
  readonly hasMore?: true;
  /** Items of the page that could not be read as events: their position, never their text. Skipped, counted and logged. */
  readonly malformed: number;
}

export interface PullRequest {
  readonly topicId: string;
  /** Exclusive. With `order: "desc"` the events before it are read; absent there: the newest events. */
  readonly after?: Cursor;
  readonly limit: number;
  readonly order?: "asc" | "desc";
  readonly type?: string;
  readonly excludeSelf?: boolean;
  readonly signal: AbortSignal;
}

export interface PublishRequest {
  readonly topicId: string;
  readonly type: string;
  readonly payload?: unknown;
  /** Payload object id, in place of `payload`. */
  readonly payloadRef?: string;
  readonly correlationId?: string;
  readonly replyTopic?: string;
  readonly metadata?: Readonly<Record<string, unknown>>;
  /** Sent as `Idempotency-Key`. Must be stable over re-sends of the same event. */
  readonly idempotencyKey?: string;
  readonly signal: AbortSignal;
}

export interface PublishResult {
  readonly eventId: string;
  /** The server had already stored this idempotency key. */
  readonly replayed: boolean;
  readonly sequence?: number;
}

/** What an open hint stream tells. Hints carry no events: pull is the truth. */
export interface StreamHandlers {
  /** The stream is open (also after each reconnect): drain once. */
  readonly onOpen: () => void;
  /** Something new may be there: drain. */
  readonly onHint: (position?: Cursor) => void;
  /** The stream is down; it will be opened again after `delayMs`. */
  readonly onDown: (reason: unknown, delayMs: number) => void;
}

/** A credential as the client needs it. The secret stays inside the token client. */
export interface ServiceCredentials {
  readonly generation: Generation;
  readonly baseUrl: string;
  /** Generation A: the script id. Generation B: `crd_...`. */
  readonly clientId: string;
  readonly clientSecret: string;
  /** Own script id where known: own events are recognised by it. */
  readonly scriptId?: string;
}

export interface TopicInfo {
  readonly topicId: string;
  readonly name?: string;
  readonly actions: readonly ("read" | "write")[];
}

/** A file to upload that is too large to be held. */
export interface UploadSource {
  /** Bytes. */
  readonly size: number;
  /** SHA-256 of the content. */
  readonly sha256: Uint8Array;
  /** The content from its beginning; asked for once. */
  stream(): AsyncIterable<Uint8Array>;
}

export interface UploadedObject {
  readonly objectId: string;
  readonly downloadUrl?: string;
}

export interface ObjectInfo {
  readonly objectId: string;
  readonly downloadUrl: string;
  readonly contentType?: string;
  readonly size?: number;
}

/** The AgenTrux service for one credential. Every call has a time limit and takes a signal. */
export interface ServiceClient {
  /** The generation in use on the data plane. */
  readonly generation: Generation;
  pull(request: PullRequest): Promise<EventPage>;
  publish(request: PublishRequest): Promise<PublishResult>;
  /** Keeps a hint stream open, reconnecting by itself, until `signal` aborts. Resolves after the abort; never rejects. */
  stream(
    request: {
      topicId: string;
      after: () => Cursor | undefined;
      excludeSelf?: boolean;
      signal: AbortSignal;
    } & StreamHandlers,
  ): Promise<void>;
  topics(signal: AbortSignal): Promise<readonly TopicInfo[]>;
  createObject(request: {
    topicId: string;
    bytes: Uint8Array | UploadSource;
    contentType: string;
    filename?: string;
    signal: AbortSignal;
  }): Promise<UploadedObject>;
  objectInfo(request: { topicId: string; objectId: string; signal: AbortSignal }): Promise<ObjectInfo>;
  /** Proves the credential works: gets a token (cached one accepted). */
  probe(signal: AbortSignal): Promise<void>;
  /** Closes pooled connections. Idempotent. */
  close(): Promise<void>;
}
