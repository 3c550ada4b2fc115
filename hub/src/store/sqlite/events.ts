/** Reading events out of SQLite; writing is in `group-commit.ts`, deleting in `retention.ts`. */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type {
  AppendRequest,
  AppendResult,
  CommitNotice,
  EventStore,
  HintEvent,
  PageQuery,
  StoredEvent,
  TopicBounds,
} from "../port.ts";
import { HubError } from "../../errors.ts";
import type { GroupCommit } from "./group-commit.ts";
import type { Retention } from "./retention.ts";
import type { Row } from "./rows.ts";
import { integer, text, textOrNull } from "./rows.ts";
import type { SqliteTopics } from "./topics.ts";

const COLUMNS = "seq, event_id, type, stored_at, producer, object_id, correlation_id, reply_topic, metadata, payload";
/** Rows looked through at a time for events of other producers, so that a long run of one's own blocks nobody. */
const FILTER_WINDOW_ROWS = 5000;

export class SqliteEvents implements EventStore {
  readonly #database: DatabaseSync;
  readonly #topics: SqliteTopics;
  readonly #commit: GroupCommit;
  readonly #retention: Retention;
  readonly #statements = new Map<string, StatementSync>();

  constructor(database: DatabaseSync, topics: SqliteTopics, commit: GroupCommit, retention: Retention) {
    this.#database = database;
    this.#topics = topics;
    this.#commit = commit;
    this.#retention = retention;
  }

  async append(request: AppendRequest): Promise<AppendResult> {
    const [result] = await this.#commit.append([request]);
    if (result === undefined) throw new HubError("INTERNAL", "A publish was stored without a result");
    return result;
  }

  appendAll(requests: readonly AppendRequest[]): Promise<readonly AppendResult[]> {
    return this.#commit.append(requests);
  }

  async page(query: PageQuery): Promise<readonly StoredEvent[]> {
    const state = this.#topics.state(query.topicId);
    if (state === undefined) return [];
    let after = query.afterSeq ?? 0;
    let before = query.beforeSeq ?? Number.MAX_SAFE_INTEGER;
    if (query.excludeProducer === undefined) return this.#read(state.no, query, after, before, query.limit);
    const found: StoredEvent[] = [];
    for (;;) {
      found.push(...this.#read(state.no, query, after, before, query.limit - found.length));
      if (found.length >= query.limit) return found;
      const windowEnd = this.#windowEnd(state.no, query, after, before);
      if (windowEnd === undefined) return found;
      if (query.order === "asc") after = windowEnd;
      else before = windowEnd;
      await nextTurn();
    }
  }

  async range(topicId: string, startSeq: number, endSeq: number): Promise<readonly StoredEvent[]> {
    const limit = Math.max(0, endSeq - startSeq + 1);
    return this.page({ topicId, afterSeq: startSeq - 1, beforeSeq: endSeq + 1, order: "asc", limit });
  }

  async byId(topicId: string, eventId: string): Promise<StoredEvent | undefined> {
    const state = this.#topics.state(topicId);
    if (state === undefined) return undefined;
    const row = this.#prepare(`SELECT ${COLUMNS} FROM events WHERE event_id = ? AND topic_no = ?`).get(
      eventId,
      state.no,
    );
    return row === undefined ? undefined : toEvent(row);
  }

  async bounds(topicId: string): Promise<TopicBounds> {
    const state = this.#topics.state(topicId);
    if (state === undefined) return { lastSeq: 0, deletedThroughSeq: 0 };
    const { lastSeq, deletedThroughSeq } = state;
    const row = this.#prepare("SELECT seq, event_id FROM events WHERE topic_no = ? ORDER BY seq LIMIT 1").get(state.no);
    if (row === undefined) return { lastSeq, deletedThroughSeq };
    return { lastSeq, deletedThroughSeq, oldest: { seq: integer(row, "seq"), eventId: text(row, "event_id") } };
  }

  async newestAfter(topicId: string, afterSeq: number, excludeProducer?: string): Promise<HintEvent | undefined> {
    const [newest] = await this.page({
      topicId,
      afterSeq,
      order: "desc",
      limit: 1,
      ...(excludeProducer === undefined ? {} : { excludeProducer }),
    });
    if (newest === undefined) return undefined;
    const { seq, eventId, type, storedAt, producer, objectId } = newest;
    return { seq, eventId, type, storedAt, producer, payloadKind: objectId === null ? "inline" : "object_ref" };
  }

  onCommit(listener: (notice: CommitNotice) => void): () => void {
    return this.#commit.onCommit(listener);
  }

  async sweep(now: number, maxRows: number): Promise<number> {
    return this.#retention.sweep(now, maxRows);
  }

  #read(topicNo: number, query: PageQuery, after: number, before: number, limit: number): StoredEvent[] {
    const order = query.order === "asc" ? "ASC" : "DESC";
    const ofType = query.type === undefined ? "" : "AND type = ?";
    const values: (string | number)[] = [topicNo, after, before];
    if (query.type !== undefined) values.push(query.type);
    const from = `FROM events WHERE topic_no = ? AND seq > ? AND seq < ? ${ofType} ORDER BY seq ${order}`;
    if (query.excludeProducer === undefined) {
      return this.#prepare(`SELECT ${COLUMNS} ${from} LIMIT ?`)
        .all(...values, limit)
        .map(toEvent);
    }
    return this.#prepare(
      `SELECT * FROM (SELECT ${COLUMNS} ${from} LIMIT ${FILTER_WINDOW_ROWS}) WHERE producer <> ? LIMIT ?`,
    )
      .all(...values, query.excludeProducer, limit)
      .map(toEvent);
  }

  /** Sequence number of the last row of a full window; `undefined` when fewer rows than a window are left. */
  #windowEnd(topicNo: number, query: PageQuery, after: number, before: number): number | undefined {
    const order = query.order === "asc" ? "ASC" : "DESC";
    const ofType = query.type === undefined ? "" : "AND type = ?";
    const values: (string | number)[] = [topicNo, after, before];
    if (query.type !== undefined) values.push(query.type);
    const row = this.#prepare(
      `SELECT seq FROM events WHERE topic_no = ? AND seq > ? AND seq < ? ${ofType} ORDER BY seq ${order}
       LIMIT 1 OFFSET ${FILTER_WINDOW_ROWS - 1}`,
    ).get(...values);
    return row === undefined ? undefined : integer(row, "seq");
  }

  #prepare(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const statement = this.#database.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }
}

function toEvent(row: Row): StoredEvent {
  return {
    seq: integer(row, "seq"),
    eventId: text(row, "event_id"),
    type: text(row, "type"),
    storedAt: integer(row, "stored_at"),
    producer: text(row, "producer"),
    objectId: textOrNull(row, "object_id"),
    correlationId: textOrNull(row, "correlation_id"),
    replyTopic: textOrNull(row, "reply_topic"),
    metadataJson: textOrNull(row, "metadata"),
    payloadJson: textOrNull(row, "payload"),
  };
}
