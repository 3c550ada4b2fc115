/**
 * Group commit: the publishes of one turn of the event loop share a transaction, because a commit costs an fsync
 * whatever it holds.
 *
 * A publish waits in the queue until the turn ends (`setImmediate`, so less than a couple of milliseconds) or 512 rows
 * are waiting. Then: begin; check each request (topic, idempotency key, payload object) and number and insert what
 * passes; commit; only then answer. A request that does not pass is answered with its own error and leaves nothing
 * behind; a failing disk fails the whole group and nothing of it is stored. Sequence numbers become visible only with
 * the commit, so a failed group uses none up.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { HubError } from "../../errors.ts";
import type { Counter, Histogram, Metrics } from "../../runtime.ts";
import type { AppendRequest, AppendResult, CommitNotice, HintEvent, IdempotencyClaim } from "../port.ts";
import { transaction } from "./database.ts";
import { integer, text } from "./rows.ts";
import type { SqliteTopics, TopicState } from "./topics.ts";

const MAX_ROWS_PER_COMMIT = 512;
/** Bounds the memory of publishers that wait for a slow disk. */
const MAX_QUEUED_ROWS = 20_000;

interface Waiting {
  readonly requests: readonly AppendRequest[];
  /** The last of them under the key of all together: its row outlives theirs, as old keys are forgotten first. */
  readonly whole: AppendRequest | undefined;
  readonly resolve: (results: readonly AppendResult[]) => void;
  readonly reject: (error: unknown) => void;
}

/** What one transaction has done so far. */
interface Group {
  readonly lastSeq: Map<TopicState, number>;
  readonly written: { readonly state: TopicState; readonly hint: HintEvent }[];
}

type Verdict =
  | { readonly kind: "write"; readonly state: TopicState }
  | { readonly kind: "replay"; readonly result: AppendResult };

export class GroupCommit {
  readonly #database: DatabaseSync;
  readonly #topics: SqliteTopics;
  readonly #listeners = new Set<(notice: CommitNotice) => void>();
  readonly #insertEvent: StatementSync;
  readonly #setLastSeq: StatementSync;
  readonly #selectKey: StatementSync;
  readonly #insertKey: StatementSync;
  readonly #selectObject: StatementSync;
  readonly #commitObject: StatementSync;
  readonly #events: Counter;
  readonly #eventsPerCommit: Histogram;
  readonly #failures: Counter;
  #queue: Waiting[] = [];
  #queuedRows = 0;
  #scheduled: NodeJS.Immediate | undefined;
  #closed = false;
  #lastFailed = false;

  constructor(database: DatabaseSync, topics: SqliteTopics, metrics: Metrics) {
    this.#database = database;
    this.#topics = topics;
    this.#insertEvent = database.prepare(
      `INSERT INTO events (topic_no, seq, event_id, type, stored_at, producer, object_id, correlation_id, reply_topic,
         metadata, payload) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#setLastSeq = database.prepare("UPDATE topics SET last_seq = ? WHERE no = ?");
    this.#selectKey = database.prepare(
      `SELECT fingerprint, event_id, seq, stored_at FROM idempotency_keys
       WHERE topic_no = ? AND producer = ? AND key = ?`,
    );
    this.#insertKey = database.prepare(
      `INSERT INTO idempotency_keys (topic_no, producer, key, fingerprint, event_id, seq, stored_at)
       VALUES (?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#selectObject = database.prepare("SELECT state FROM objects WHERE id = ? AND topic_id = ?");
    // A clock may be set back between two events that name an object: the later time counts.
    this.#commitObject = database.prepare(
      `UPDATE objects SET state = 'committed', committed_at = max(coalesce(committed_at, 0), ?)
       WHERE id = ? AND topic_id = ? AND state <> 'pending'`,
    );
    this.#events = metrics.counter("agentrux_hub_events_stored_total", "Events committed to the store");
    this.#eventsPerCommit = metrics.histogram(
      "agentrux_hub_events_per_commit",
      "Events that shared one commit",
      [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000],
    );
    this.#failures = metrics.counter("agentrux_hub_commit_failures_total", "Commits the disk refused");
  }

  onCommit(listener: (notice: CommitNotice) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Whether the disk refused the latest commit. */
  get lastFailed(): boolean {
    return this.#lastFailed;
  }

  /** Resolves when all of `requests` are on disk. */
  append(requests: readonly AppendRequest[], whole?: IdempotencyClaim): Promise<readonly AppendResult[]> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(new HubError("UNAVAILABLE", "The hub is shutting down", { retryAfterS: 2 }));
      if (this.#queuedRows + requests.length > MAX_QUEUED_ROWS) {
        return reject(new HubError("UNAVAILABLE", "Too many publishes are waiting for the disk", { retryAfterS: 1 }));
      }
      const last = requests.at(-1);
      const claim = whole === undefined || last === undefined ? undefined : { ...last, idempotency: whole };
      this.#queue.push({ requests, whole: claim, resolve, reject });
      this.#queuedRows += requests.length;
      if (this.#queuedRows >= MAX_ROWS_PER_COMMIT) this.#commitQueued();
      else this.#scheduled ??= setImmediate(() => this.#commitQueued());
    });
  }

  /** Commits what waits and takes no more. */
  close(): void {
    this.#closed = true;
    this.#commitQueued();
  }

  #commitQueued(): void {
    clearImmediate(this.#scheduled);
    this.#scheduled = undefined;
    const queue = this.#queue;
    this.#queue = [];
    this.#queuedRows = 0;
    for (let start = 0; start < queue.length;) {
      let rows = 0;
      let end = start;
      while (end < queue.length && rows < MAX_ROWS_PER_COMMIT) rows += queue[end++]?.requests.length ?? 0;
      this.#commitGroup(queue.slice(start, end));
      start = end;
    }
  }

  #commitGroup(waiting: readonly Waiting[]): void {
    const group: Group = { lastSeq: new Map(), written: [] };
    let answers: (() => void)[];
    try {
      answers = transaction(this.#database, () => {
        const prepared = waiting.map((one) => this.#store(one, group));
        for (const [state, lastSeq] of group.lastSeq) this.#setLastSeq.run(lastSeq, state.no);
        return prepared;
      });
    } catch (error) {
      this.#failures.inc();
      this.#lastFailed = true;
      for (const one of waiting) one.reject(error);
      return;
    }
    this.#lastFailed = false;
    for (const [state, lastSeq] of group.lastSeq) state.lastSeq = lastSeq;
    for (const answer of answers) answer();
    if (group.written.length === 0) return;
    this.#events.inc(group.written.length);
    this.#eventsPerCommit.observe(group.written.length);
    this.#notify(group);
  }

  /** Checks and writes one publisher's requests; returns the answer to give once the group is on disk. */
  #store(one: Waiting, group: Group): () => void {
    const { whole } = one;
    let wholeVerdict: Verdict | undefined;
    let verdicts: Verdict[];
    try {
      wholeVerdict = whole === undefined ? undefined : this.#judge(whole);
      verdicts = one.requests.map((request) => this.#judge(request));
    } catch (error) {
      // Only the hub's own refusals concern this publisher alone; anything else is the database failing.
      if (!(error instanceof HubError)) throw error;
      return () => one.reject(error);
    }
    const results = one.requests.map((request, index) => {
      const verdict = verdicts[index];
      if (verdict === undefined) throw new HubError("INTERNAL", "A publish lost its verdict");
      return verdict.kind === "replay" ? verdict.result : this.#write(request, verdict.state, group);
    });
    const last = results.at(-1);
    if (whole !== undefined && wholeVerdict?.kind === "write" && last !== undefined) {
      this.#keepKey(whole, wholeVerdict.state, last);
    }
    return () => one.resolve(results);
  }

  #judge(request: AppendRequest): Verdict {
    const state = this.#topics.state(request.topicId);
    if (state === undefined) throw new HubError("NOT_FOUND", "No such topic");
    const replay = this.#replayOf(request, state);
    if (replay !== undefined) return { kind: "replay", result: replay };
    const { objectId } = request.event;
    if (objectId !== null) {
      const object = this.#selectObject.get(objectId, request.topicId);
      if (object === undefined) throw new HubError("NOT_FOUND", "No such payload object on this topic");
      if (object["state"] === "pending") {
        throw new HubError("CONFLICT", "The payload object has not been uploaded yet");
      }
    }
    return { kind: "write", state };
  }

  #replayOf({ idempotency, producer }: AppendRequest, state: TopicState): AppendResult | undefined {
    if (idempotency === undefined) return undefined;
    const row = this.#selectKey.get(state.no, producer, idempotency.key);
    if (row === undefined) return undefined;
    if (row["fingerprint"] !== idempotency.fingerprint) {
      throw new HubError("IDEMPOTENCY_CONFLICT", "This Idempotency-Key was used with another request");
    }
    return {
      eventId: text(row, "event_id"),
      seq: integer(row, "seq"),
      storedAt: integer(row, "stored_at"),
      replayed: true,
    };
  }

  #write(request: AppendRequest, state: TopicState, group: Group): AppendResult {
    const { event, producer, storedAt } = request;
    const seq = (group.lastSeq.get(state) ?? state.lastSeq) + 1;
    group.lastSeq.set(state, seq);
    this.#insertEvent.run(
      state.no,
      seq,
      event.eventId,
      event.type,
      storedAt,
      producer,
      event.objectId,
      event.correlationId,
      event.replyTopic,
      event.metadataJson,
      event.payloadJson,
    );
    if (event.objectId !== null) this.#commitObject.run(storedAt, event.objectId, request.topicId);
    for (const id of request.mentionedObjectIds) this.#commitObject.run(storedAt, id, request.topicId);
    const result = { eventId: event.eventId, seq, storedAt, replayed: false };
    this.#keepKey(request, state, result);
    const payloadKind = event.objectId === null ? "inline" : "object_ref";
    const hint = { seq, eventId: event.eventId, type: event.type, payloadKind, storedAt, producer } as const;
    group.written.push({ state, hint });
    return result;
  }

  #keepKey(
    { producer, storedAt, idempotency }: AppendRequest,
    state: TopicState,
    { eventId, seq }: AppendResult,
  ): void {
    if (idempotency === undefined) return;
    this.#insertKey.run(state.no, producer, idempotency.key, idempotency.fingerprint, eventId, seq, storedAt);
  }

  #notify(group: Group): void {
    const notices = new Map<TopicState, { newest: HintEvent; newestByOther?: HintEvent }>();
    for (const { state, hint } of group.written) {
      const before = notices.get(state);
      const other = before?.newest.producer === hint.producer ? before.newestByOther : before?.newest;
      notices.set(state, { newest: hint, ...(other === undefined ? {} : { newestByOther: other }) });
    }
    for (const [state, notice] of notices) {
      for (const listener of this.#listeners) listener({ topicId: state.topic.id, ...notice });
    }
  }
}
