/** The seam between delivery and the host: what a turn is asked, and how it can end. Host-agnostic. */

/**
 * An attachment as a request names it; ids and names are unchecked text from the topic. Without an id and a URL there is
 * nothing to fetch, and the agent is told so.
 */
export interface RequestedAttachment {
  readonly name?: string;
  readonly objectId?: string;
  readonly contentType?: string;
  readonly downloadUrl?: string;
}

/** One attachment of a request as its turn is shown it. Names, types and text in it come from outside. */
export interface InboundAttachment {
  /** Safe as a file's name. */
  readonly name: string;
  /** One line: what it is, and why it is not here where that is so. */
  readonly summary: string;
  /** Its text, or the beginning of it. */
  readonly text?: string;
  /** Where it lies, when it was staged as a file. */
  readonly file?: StagedFile;
}

export interface StagedFile {
  /** Absolute. */
  readonly path: string;
  /** By its bytes; `application/octet-stream` where they tell nothing. */
  readonly contentType: string;
  /** Bytes. */
  readonly size: number;
}

/** One command, taken from an event that is already safe on disk. */
export interface Command {
  /** Stable id: lowercase hex, derived from (topic, event id). Safe in paths, addresses and keys. */
  readonly commandId: string;
  readonly topicId: string;
  readonly eventId: string;
  readonly requestId: string;
  readonly conversationKey: string;
  /** Script id of the producer where the service tells it. */
  readonly producer?: string;
  readonly message: string;
  readonly attachments: readonly RequestedAttachment[];
  /** How many more the request listed than are looked at. */
  readonly attachmentsBeyond?: number;
  /** The event's type: decides the reply's dialect (`composer.*` is answered in kind). */
  readonly eventType: string;
  readonly correlationId?: string;
  readonly hops: number;
  readonly traceId: string;
  /** ISO-8601, from the event. */
  readonly storedAt?: string;
  /** An event of a listening topic, or a watch's: nobody waits for a reply, and none is published. */
  readonly isNotice?: true;
  /** The id of the watch that starts this turn, because the world has changed. What it is to do is looked up by it. */
  readonly watch?: string;
}

/** One attempt at a command. */
export interface TurnRequest {
  readonly command: Command;
  /** 1-based, already counted on disk. */
  readonly attempt: number;
  /**
   * Where the host sends whatever it has to say of this attempt: `cmd:<commandId>~<attempt>`. Unique per attempt,
   * because the host swallows a re-dispatch that re-uses message id and address (SDK spec, section 17.2).
   */
  readonly address: string;
  readonly timeoutMs: number;
  /** What came of the command's attachments, in their order; absent where it has none. */
  readonly attachments?: readonly InboundAttachment[];
}

/** How an attempt ended. Only `not-started` and `swallowed` leave the attempt uncounted. */
export type TurnResult =
  /** The agent answered. `failed`: the host reported an error in place of an answer; `text` is the host's words, unfit for strangers. */
  | { readonly kind: "replied"; readonly text: string; readonly media: readonly string[] }
  | { readonly kind: "failed"; readonly reason: string }
  /** The run completed without a visible answer. */
  | { readonly kind: "silent" }
  | { readonly kind: "timeout" }
  /**
   * It will not be run, and saying so is the answer: two agents have passed requests to and fro too often, or the sender
   * was taken off the list meanwhile.
   */
  | { readonly kind: "refused"; readonly reason: "loop_budget" | "sender_not_allowed" | "senders_disabled" }
  /** The host took the message into another run and will answer through the address. */
  | { readonly kind: "deferred" }
  /** The host has seen this attempt before and did not run it. */
  | { readonly kind: "swallowed" }
  /** The host does not take work just now; nothing ran. */
  | { readonly kind: "not-started"; readonly reason: "draining" | "starting" | "capacity" | "aborted" };

/**
 * Who is going to answer an attempt that no turn here is running: the `host`, which works on it; the host `later`, which
 * has marked it and takes marked ones up one after the other; or `nobody`.
 */
export type TurnOwner = "host" | "later" | "nobody" | "unknown";

/** Runs turns. Implemented over the host's inbound pipeline, and by fakes in tests. */
export interface TurnRunner {
  /** Resolves when the run and its deliveries are over. Rejects only on a fault that counts as a failed attempt. */
  run(request: TurnRequest, signal: AbortSignal): Promise<TurnResult>;
  /** Asked after a restart, and of an attempt the host has put off. */
  owner(request: TurnRequest): Promise<TurnOwner>;
}
