/**
 * The journal's vocabulary: what can be asked of it and what it answers. No storage here.
 *
 * Five kinds of record. `seen` remembers which events and request ids were ever taken over, for days.
 * `commands` is the open work. `replies` is what has been answered but not yet published. `dead_letters` is what an
 * operator has to look at. `watches` is what was told of the world. A command and its replies disappear from their tables once the last part is acknowledged.
 *
 * Times are epoch milliseconds and always come from the caller.
 */

/** A command's place in its life; a command that is neither here nor in the dead letters is published. */
export type CommandState = "received" | "running" | "replied";

/** One part of a terminal reply, ready to be published. */
export interface NewReply {
  /** Deterministic, so that a repeated send can be recognised. */
  readonly replyId: string;
  /** 1-based. */
  readonly part: number;
  /** The event to publish, as JSON. */
  readonly body: string;
}

/** One event to take over. */
export interface AdmissionRow {
  /** Lowercase hex derived from topic and event id; the event is known by it. */
  readonly commandId: string;
  /** Empty where the service does not tell. */
  readonly producer: string;
  /**
   * Lowercase hex derived from topic, producer and request id, present when the requester chose a request id: a second
   * event with the same key is not taken.
   */
  readonly requestKey?: string;
  readonly lane: string;
  /** The command, as JSON. */
  readonly body: string;
  /** Present for a command that is answered without a turn (a rejected one). */
  readonly replies?: readonly NewReply[];
  /** The first attempt begins with the taking over: one flush to disk instead of two. */
  readonly begun?: boolean;
}

/** In `Admission.ids`: the event had been taken before. */
export const EVENT_KNOWN = 0;
/** In `Admission.ids`: another event with the same request id had been taken before. */
export const REQUEST_KNOWN = -1;

export interface Admission {
  /** One number per row, in order: the row id of the new command, or `EVENT_KNOWN`, or `REQUEST_KNOWN`. */
  readonly ids: readonly number[];
}

/** An open command without its body: what scheduling needs. */
export interface OpenCommand {
  readonly id: number;
  readonly commandId: string;
  readonly lane: string;
  readonly producer: string;
  readonly state: CommandState;
  /** Number of the newest attempt, 0 before the first. Never re-used, not even by a replay. */
  readonly attempt: number;
  /** Attempts that count against the limit. */
  readonly tries: number;
  /** How often an operator has replayed the command. */
  readonly replays: number;
  readonly notBefore: number;
  readonly receivedAt: number;
}

export interface OpenCommandWithBody extends OpenCommand {
  readonly body: string;
}

/** The oldest part of a command's reply that is not yet acknowledged. */
export interface UnsentReply {
  readonly id: number;
  readonly command: number;
  readonly replyId: string;
  readonly part: number;
  /** `sending`: a send was begun and its outcome is not known. */
  readonly state: "pending" | "sending";
  readonly attempts: number;
  readonly notBefore: number;
  readonly createdAt: number;
  readonly body: string;
}

/** A replied command whose reply waits to be published. */
export interface UnsentCommand {
  readonly command: number;
  readonly lane: string;
  readonly notBefore: number;
}

/** Why a command is in the dead letters: its turn failed for good, or its reply could not be delivered. */
export type DeadLetterKind = "turn" | "reply";

export interface DeadLetter {
  readonly id: number;
  readonly kind: DeadLetterKind;
  readonly reason: string;
  readonly topicId: string;
  readonly commandId: string;
  readonly attempt: number;
  readonly replays: number;
  readonly diedAt: number;
  readonly receivedAt: number;
}

export interface DeadLetterWithBody extends DeadLetter {
  /** The command, as JSON. */
  readonly body: string;
}

/** What an operator's command line asks of the process that owns the journal. */
export type OperatorAction =
  | { readonly action: "replay" | "drop"; readonly deadLetter: number }
  | { readonly action: "move"; readonly topicId: string; readonly cursor: string };

/** What can be done with a dead letter. */
export type LetterAction = "replay" | "drop";

export interface OperatorRequest {
  readonly id: number;
  readonly wanted: OperatorAction;
}

/** A watch of the world, as it was left. */
export interface WatchRecord {
  readonly name: string;
  /** Of one that was added at run time, as JSON; others are in the configuration. */
  readonly definition?: string;
  /** What its account is of; absent until its first sight of the world is written down as a whole. */
  readonly basis?: string;
  /** When it was made. With `sequence` it names each turn. */
  readonly born: number;
  /** Number of the newest turn. */
  readonly sequence: number;
  /** When turns were started within the hour. */
  readonly turns: readonly number[];
}

/** What the agent knows of an entity. Without `state`, that it is not there. */
export interface WatchedEntity {
  readonly entity: string;
  /** JSON. */
  readonly state?: string;
  /** When it was last told of; absent where that does not matter any more. */
  readonly toldAt?: number;
}

/** Turns that a watch starts, and all they are based on. */
export interface WatchFlush {
  /** What the turns are filed under. */
  readonly topicId: string;
  readonly rows: readonly AdmissionRow[];
  /** With neither state nor time, an entity is forgotten. */
  readonly entities: readonly WatchedEntity[];
  readonly sequence: number;
  readonly turns: readonly number[];
  /** Set once the first sight is written down. */
  readonly basis?: string;
}

export interface JournalNumbers {
  readonly received: number;
  readonly running: number;
  readonly replied: number;
  readonly deadLetters: number;
  /** When the oldest open command was taken over. */
  readonly oldestReceivedAt?: number;
}

/** Every operation of the journal, for one account. Each is atomic. */
export interface JournalOperations {
  /**
   * Takes over events; one that is already known is left alone and told so. `position` is where the page ended, in the
   * caller's own words, and is remembered with it.
   */
  admit(topicId: string, rows: readonly AdmissionRow[], at: number, position?: string): Admission;
  /** The position that came with the last page of a topic. */
  lastPosition(topicId: string): string | undefined;
  /** Open commands in order of arrival, after row `after`. */
  openCommands(after: number, limit: number): readonly OpenCommand[];
  /** An open command by its row; an answered one is not found. */
  openCommand(id: number): OpenCommandWithBody | undefined;
  /** An open command that was attempted at least once, by its command id; an answered one is not found. */
  findOpen(commandId: string): OpenCommandWithBody | undefined;
  /** Counts an attempt and marks the command running. Undefined when it is not waiting any more. */
  begin(id: number): OpenCommandWithBody | undefined;
  /**
   * Puts a running command back to wait for its next attempt. `refund` gives the counted try back.
   * False when `attempt` is not the one running.
   */
  putBack(id: number, attempt: number, refund: boolean, notBefore: number): boolean;
  /**
   * Records the terminal reply; the first one wins. Without any part to publish the command is done at once. With `deathReason` the command also goes to the dead letters.
   * False when the command has been answered before.
   */
  reply(id: number, replies: readonly NewReply[], at: number, deathReason?: string): boolean;
  /** Replied commands that wait for publishing, oldest first, after row `after`. */
  unsentCommands(after: number, limit: number): readonly UnsentCommand[];
  /** The next part to send of one command. */
  nextReply(command: number): UnsentReply | undefined;
  /** Marks that a send begins: from here on its outcome is unknown until told otherwise. A restart waits till `notBefore`. */
  markSending(reply: number, notBefore: number): void;
  /** Waits before the next send. `uncertain`: the last send may have arrived. */
  deferReply(reply: number, notBefore: number, uncertain: boolean): void;
  /** The part is published. True when it was the last one, and the command is done. */
  acknowledge(reply: number): boolean;
  /** Writes a part anew that is not acknowledged, in the state it is in. */
  rewriteReply(reply: number, body: string): void;
  /** Replaces the parts of a replied command that are not acknowledged. */
  replaceReplies(command: number, replies: readonly NewReply[], at: number): void;
  /** Gives up publishing: a replied command and its unsent parts go to the dead letters. */
  expireReply(command: number, reason: string, at: number): void;
  /** Newest first, older than dead letter `before`. */
  deadLetters(before: number, limit: number): readonly DeadLetter[];
  deadLetter(id: number): DeadLetterWithBody | undefined;
  /** Opens the command again: to run once more, or to publish its reply once more. Undefined when there is none. */
  replay(id: number, at: number): OpenCommand | undefined;
  /** Removes a dead letter for good. */
  drop(id: number): boolean;
  /** Leaves a request for the owner; the number to look it up by. */
  ask(wanted: OperatorAction, at: number): number;
  /** Requests nobody has answered yet. */
  openRequests(): readonly OperatorRequest[];
  answerRequest(id: number, outcome: string, at: number): void;
  /** The owner's answer, once there is one. */
  requestOutcome(id: number): string | undefined;
  numbers(): JournalNumbers;
  /** In the order in which they were made. */
  watches(): readonly WatchRecord[];
  /** Makes a watch known. One of this name that there is keeps its account, and takes the definition. */
  keepWatch(name: string, at: number, definition?: string): void;
  /** Forgets what a watch has told of, so that it begins anew. */
  rebaseWatch(name: string): void;
  /** False when there is none. Turns it has started go on. */
  forgetWatch(name: string): boolean;
  /** What the agent knows, by id of the entity, after `after`. */
  watchedEntities(name: string, after: string, limit: number): readonly WatchedEntity[];
  /** Takes over turns of a watch, and writes down what they tell of. Undefined when there is no such watch. */
  admitWatch(name: string, flush: WatchFlush, at: number): Admission | undefined;
}

/**
 * The journal as the delivery core uses it. A promise resolves only after the operation is on disk; it rejects with
 * `AgentruxError` code `disk` (retryable) when nothing was written, `journal_corrupt` when the file had to be set
 * aside, `stopped` after close.
 */
export type Journal = {
  readonly [K in keyof JournalOperations]: (
    ...args: Parameters<JournalOperations[K]>
  ) => Promise<ReturnType<JournalOperations[K]>>;
};
