/** The journal as a few maps: what the real one is compared with, and the disk of the simulation. */

import { AgentruxError } from "../../../src/errors.ts";
import { journalOver } from "../../../src/journal/over.ts";
import {
  type CommandState,
  type DeadLetterWithBody,
  EVENT_KNOWN,
  type Journal,
  type JournalOperations,
  type NewReply,
  type OpenCommandWithBody,
  type OperatorAction,
  REQUEST_KNOWN,
  type WatchedEntity,
  type WatchFlush,
  type WatchRecord,
} from "../../../src/journal/types.ts";

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

interface CommandRow extends Mutable<OpenCommandWithBody> {
  topicId: string;
}

interface ReplyRow {
  id: number;
  command: number;
  replyId: string;
  part: number;
  body: string;
  state: "pending" | "sending" | "acknowledged";
  attempts: number;
  notBefore: number;
  createdAt: number;
}

interface DeadRow extends Mutable<DeadLetterWithBody> {
  lane: string;
  producer: string;
  replies: NewReply[] | undefined;
}

export class MemoryJournal implements JournalOperations {
  readonly seen = new Set<string>();
  readonly commands = new Map<number, CommandRow>();
  readonly replies = new Map<number, ReplyRow>();
  readonly dead = new Map<number, DeadRow>();
  #requests: { id: number; wanted: OperatorAction; outcome: string | undefined }[] = [];
  #last = { command: 0, reply: 0, dead: 0, request: 0 };

  readonly #positions = new Map<string, string>();

  lastPosition(topicId: string): string | undefined {
    return this.#positions.get(topicId);
  }

  admit(...[topicId, rows, at, position]: Parameters<JournalOperations["admit"]>): { ids: number[] } {
    if (position !== undefined) this.#positions.set(topicId, position);
    const ids = rows.map((row) => {
      if (this.seen.has(row.commandId)) return EVENT_KNOWN;
      if (row.requestKey !== undefined && this.seen.has(row.requestKey)) return REQUEST_KNOWN;
      this.seen.add(row.commandId);
      if (row.requestKey !== undefined) this.seen.add(row.requestKey);
      const id = (this.#last.command += 1);
      const { commandId, producer, lane, body, replies, begun = false } = row;
      const state = replies !== undefined ? "replied" : begun ? "running" : "received";
      const attempts = begun ? { attempt: 1, tries: 1 } : {};
      this.#open(id, { commandId, producer, lane, body, topicId, state, receivedAt: at, ...attempts });
      this.#write(id, replies ?? [], at);
      return id;
    });
    return { ids };
  }

  #open(
    id: number,
    row: Partial<CommandRow> &
      Pick<CommandRow, "commandId" | "lane" | "producer" | "body" | "topicId" | "state" | "receivedAt">,
  ): CommandRow {
    const command: CommandRow = { attempt: 0, tries: 0, replays: 0, notBefore: 0, ...row, id };
    this.commands.set(id, command);
    return command;
  }

  #write(command: number, replies: readonly NewReply[], at: number): void {
    for (const reply of replies) {
      const id = (this.#last.reply += 1);
      const { replyId, part, body } = reply;
      this.replies.set(id, {
        id,
        command,
        replyId,
        part,
        body,
        state: "pending",
        attempts: 0,
        notBefore: 0,
        createdAt: at,
      });
    }
  }

  #unanswered(): CommandRow[] {
    return [...this.commands.values()].filter((command) => command.state !== "replied");
  }

  #unsent(command: number): ReplyRow[] {
    return [...this.replies.values()]
      .filter((reply) => reply.command === command && reply.state !== "acknowledged")
      .sort((a, b) => a.part - b.part);
  }

  #bury(command: CommandRow, kind: "turn" | "reply", reason: string, at: number, replies?: NewReply[]): void {
    const { topicId, commandId, lane, producer, attempt, replays, receivedAt, body } = command;
    const id = (this.#last.dead += 1);
    this.dead.set(id, {
      id,
      kind,
      reason,
      topicId,
      commandId,
      lane,
      producer,
      attempt,
      replays,
      receivedAt,
      body,
      diedAt: at,
      replies,
    });
  }

  #delete(command: number): void {
    this.commands.delete(command);
    for (const [id, reply] of this.replies) if (reply.command === command) this.replies.delete(id);
  }

  openCommands(after: number, limit: number): OpenCommandWithBody[] {
    return this.#unanswered()
      .filter((command) => command.id > after)
      .slice(0, limit)
      .map((command) => ({ ...command }));
  }

  openCommand(id: number): OpenCommandWithBody | undefined {
    const command = this.commands.get(id);
    return command === undefined || command.state === "replied" ? undefined : { ...command };
  }

  findOpen(commandId: string): OpenCommandWithBody | undefined {
    const found = this.#unanswered().find((command) => command.commandId === commandId && command.attempt > 0);
    return found && { ...found };
  }

  begin(id: number): OpenCommandWithBody | undefined {
    const command = this.commands.get(id);
    if (command?.state !== "received") return undefined;
    Object.assign(command, {
      state: "running" satisfies CommandState,
      attempt: command.attempt + 1,
      tries: command.tries + 1,
      notBefore: 0,
    });
    return { ...command };
  }

  putBack(id: number, attempt: number, refund: boolean, notBefore: number): boolean {
    const command = this.commands.get(id);
    if (command?.state !== "running" || command.attempt !== attempt) return false;
    Object.assign(command, {
      state: "received" satisfies CommandState,
      tries: command.tries - (refund ? 1 : 0),
      notBefore,
    });
    return true;
  }

  reply(id: number, replies: readonly NewReply[], at: number, deathReason?: string): boolean {
    const command = this.commands.get(id);
    if (command === undefined || command.state === "replied") return false;
    command.state = "replied";
    this.#write(id, replies, at);
    if (deathReason !== undefined) this.#bury(command, "turn", deathReason, at);
    if (replies.length === 0) this.commands.delete(id);
    return true;
  }

  unsentCommands(after: number, limit: number): { command: number; lane: string; notBefore: number }[] {
    return [...this.commands.values()]
      .filter((command) => command.state === "replied" && command.id > after)
      .slice(0, limit)
      .map(({ id, lane }) => {
        const rows = [...this.replies.values()].filter((reply) => reply.command === id);
        return { command: id, lane, notBefore: Math.max(0, ...rows.map((reply) => reply.notBefore)) };
      });
  }

  nextReply(command: number): ReturnType<JournalOperations["nextReply"]> {
    const [reply] = this.#unsent(command);
    if (reply === undefined) return undefined;
    return { ...reply, state: reply.state === "sending" ? "sending" : "pending" };
  }

  markSending(id: number, notBefore: number): void {
    const reply = this.replies.get(id);
    if (reply === undefined || reply.state === "acknowledged") return;
    Object.assign(reply, { state: "sending", attempts: reply.attempts + 1, notBefore });
  }

  deferReply(id: number, notBefore: number, uncertain: boolean): void {
    const reply = this.replies.get(id);
    if (reply === undefined || reply.state === "acknowledged") return;
    Object.assign(reply, { state: uncertain ? "sending" : "pending", notBefore });
  }

  acknowledge(id: number): boolean {
    const reply = this.replies.get(id);
    if (reply === undefined) return false;
    Object.assign(reply, { state: "acknowledged", body: "" });
    if (this.#unsent(reply.command).length > 0) return false;
    this.#delete(reply.command);
    return true;
  }

  rewriteReply(id: number, body: string): void {
    const reply = this.replies.get(id);
    if (reply !== undefined && reply.state !== "acknowledged") reply.body = body;
  }

  replaceReplies(command: number, replies: readonly NewReply[], at: number): void {
    if (this.commands.get(command)?.state !== "replied") return;
    for (const reply of this.#unsent(command)) this.replies.delete(reply.id);
    this.#write(command, replies, at);
  }

  expireReply(id: number, reason: string, at: number): void {
    const command = this.commands.get(id);
    if (command?.state !== "replied") return;
    const unsent = this.#unsent(id).map(({ replyId, part, body }) => ({ replyId, part, body }));
    this.#bury(command, "reply", reason, at, unsent);
    this.#delete(id);
  }

  deadLetters(before: number, limit: number): DeadLetterWithBody[] {
    return [...this.dead.values()]
      .filter((letter) => letter.id < before)
      .sort((a, b) => b.id - a.id)
      .slice(0, limit);
  }

  deadLetter(id: number): DeadLetterWithBody | undefined {
    return this.dead.get(id);
  }

  replay(id: number, at: number): OpenCommandWithBody | undefined {
    const letter = this.dead.get(id);
    if (letter === undefined) return undefined;
    const turn = letter.kind === "turn";
    const { commandId, lane, producer, body, topicId, attempt } = letter;
    const command = this.#open((this.#last.command += 1), {
      commandId,
      lane,
      producer,
      body,
      topicId,
      attempt,
      state: turn ? "received" : "replied",
      replays: letter.replays + (turn ? 1 : 0),
      receivedAt: at,
    });
    this.#write(command.id, letter.replies ?? [], at);
    this.dead.delete(id);
    return { ...command };
  }

  drop(id: number): boolean {
    return this.dead.delete(id);
  }

  ask(wanted: OperatorAction): number {
    const id = (this.#last.request += 1);
    this.#requests.push({ id, wanted, outcome: undefined });
    return id;
  }

  openRequests(): { id: number; wanted: OperatorAction }[] {
    return this.#requests.filter((request) => request.outcome === undefined).map(({ id, wanted }) => ({ id, wanted }));
  }

  answerRequest(id: number, outcome: string): void {
    const request = this.#requests.find((one) => one.id === id);
    if (request !== undefined) request.outcome = outcome;
  }

  requestOutcome(id: number): string | undefined {
    return this.#requests.find((one) => one.id === id)?.outcome;
  }

  readonly #watches = new Map<string, Mutable<WatchRecord>>();
  readonly #watched = new Map<string, Map<string, WatchedEntity>>();

  watches(): WatchRecord[] {
    return [...this.#watches.values()].map((watch) => ({ ...watch }));
  }

  keepWatch(name: string, at: number, definition?: string): void {
    const { definition: _earlier, ...rest } = this.#watches.get(name) ?? { name, born: at, sequence: 0, turns: [] };
    this.#watches.set(name, { ...rest, ...(definition === undefined ? {} : { definition }) });
    if (!this.#watched.has(name)) this.#watched.set(name, new Map());
  }

  rebaseWatch(name: string): void {
    const watch = this.#watches.get(name);
    if (watch !== undefined) delete watch.basis;
    this.#watched.get(name)?.clear();
  }

  forgetWatch(name: string): boolean {
    this.#watched.delete(name);
    return this.#watches.delete(name);
  }

  watchedEntities(name: string, after: string, limit: number): WatchedEntity[] {
    return [...(this.#watched.get(name)?.values() ?? [])]
      .filter(({ entity }) => entity > after)
      .toSorted((a, b) => (a.entity < b.entity ? -1 : 1))
      .slice(0, limit);
  }

  admitWatch(name: string, flush: WatchFlush, at: number): { ids: number[] } | undefined {
    const watch = this.#watches.get(name);
    const watched = this.#watched.get(name);
    if (watch === undefined || watched === undefined) return undefined;
    const { topicId, rows, entities, sequence, turns, basis } = flush;
    if (watch.sequence <= sequence)
      Object.assign(watch, { sequence, turns, ...(basis === undefined ? {} : { basis }) });
    for (const one of entities) {
      if (one.state === undefined && one.toldAt === undefined) watched.delete(one.entity);
      else watched.set(one.entity, one);
    }
    return this.admit(topicId, rows, at);
  }

  numbers(): ReturnType<JournalOperations["numbers"]> {
    const rows = [...this.commands.values()];
    const count = (state: CommandState): number => rows.filter((row) => row.state === state).length;
    return {
      received: count("received"),
      running: count("running"),
      replied: count("replied"),
      deadLetters: this.dead.size,
      ...(rows.length === 0 ? {} : { oldestReceivedAt: Math.min(...rows.map((row) => row.receivedAt)) }),
    };
  }
}

/** Carries out one operation by name. */
export function apply(
  memory: JournalOperations,
  operation: keyof JournalOperations,
  args: readonly unknown[],
): unknown {
  const method = memory[operation] as (...values: readonly unknown[]) => unknown;
  return method.apply(memory, [...args]);
}

/** The memory journal behind the asynchronous port; every operation fails with `disk` while `isFull`. */
export function asJournal(memory: JournalOperations, isFull: () => boolean = () => false): Journal {
  return journalOver(async (operation, args) => {
    await Promise.resolve();
    if (isFull()) throw new AgentruxError("disk", "The disk is full.", { retryable: true });
    return apply(memory, operation, args);
  });
}

/** Calls one operation of a journal by name. */
export function callByName(journal: Journal, operation: keyof Journal, args: readonly unknown[]): Promise<unknown> {
  const method = journal[operation] as (...values: readonly unknown[]) => Promise<unknown>;
  return method(...args);
}
