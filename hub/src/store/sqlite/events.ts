/** Reading events out of SQLite; writing is in `group-commit.ts`, deleting in `retention.ts`. */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type {
  AppendRequest,
  AppendResult,
  CommitNotice,
  EventPage,
  EventStore,
  HintEvent,
  IdempotencyClaim,
  PageQuery,
  StoredEvent,
  TopicBounds,
} from "../port.ts";
import { HubError } from "../../errors.ts";
import type { GroupCommit } from "./group-commit.ts";
import type { Retention } from "./retention.ts";
import { asInteger, asRow, asText, asTextOrNull, integer, text } from "./rows.ts";
import type { SqliteTopics } from "./topics.ts";

const COLUMNS = "seq, event_id, type, stored_at, producer, object_id, correlation_id, reply_topic, metadata, payload";
/** Rows looked through at a time for events of other producers, so that a long run of one's own blocks nobody. */
const FILTER_WINDOW_ROWS = 5000;

interface GrowingPage {
  readonly events: StoredEvent[];
  bytes: number;
  truncated: boolean;
}

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

  appendAll(requests: readonly AppendRequest[], whole?: IdempotencyClaim): Promise<readonly AppendResult[]> {
    return this.#commit.append(requests, whole);
  }

  async page(query: PageQuery): Promise<EventPage> {
    const state = this.#topics.state(query.topicId);
    if (state === undefined) return { events: [], truncated: false };
    const page: GrowingPage = { events: [], bytes: 0, truncated: false };
    let after = query.afterSeq ?? 0;
    let before = query.beforeSeq ?? Number.MAX_SAFE_INTEGER;
    for (;;) {
      this.#read(state.no, query, after, before, page);
      if (page.truncated || page.events.length >= query.limit || query.excludeProducer === undefined) return page;
      const windowEnd = this.#windowEnd(state.no, query, after, before);
      if (windowEnd === undefined) return page;
      if (query.order === "asc") after = windowEnd;
      else before = windowEnd;
      await nextTurn();
    }
  }

  async range(topicId: string, startSeq: number, endSeq: number, maxBytes: number): Promise<readonly StoredEvent[]> {
    const limit = Math.max(0, endSeq - startSeq + 1);
    const query = { topicId, afterSeq: startSeq - 1, beforeSeq: endSeq + 1, order: "asc", limit, maxBytes } as const;
    const { events, truncated } = await this.page(query);
    if (truncated) throw new HubError("PAYLOAD_TOO_LARGE", "The range holds too much for one answer; ask for less");
    return events;
  }

  async byId(topicId: string, eventId: string): Promise<StoredEvent | undefined> {
    const state = this.#topics.state(topicId);
    if (state === undefined) return undefined;
    const statement = this.#prepareRows(`SELECT ${COLUMNS} FROM events WHERE event_id = ? AND topic_no = ?`);
    for (const row of statement.iterate(eventId, state.no)) return toEvent(asRow(row));
    return undefined;
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
    const { events } = await this.page({
      topicId,
      afterSeq,
      order: "desc",
      limit: 1,
      ...(excludeProducer === undefined ? {} : { excludeProducer }),
    });
    const [newest] = events;
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

  /** Adds what one statement finds to the page, until the page is full. */
  #read(topicNo: number, query: PageQuery, after: number, before: number, page: GrowingPage): void {
    const maxBytes = query.maxBytes ?? Infinity;
    for (const row of this.#rows(topicNo, query, after, before, query.limit - page.events.length)) {
      const event = toEvent(asRow(row));
      page.bytes += textLength(event);
      if (page.bytes > maxBytes && page.events.length > 0) {
        page.truncated = true;
        return;
      }
      page.events.push(event);
    }
  }

  #rows(topicNo: number, query: PageQuery, after: number, before: number, limit: number): Iterable<unknown> {
    const { from, values } = rowsBetween(topicNo, query, after, before);
    if (query.excludeProducer === undefined) {
      return this.#prepareRows(`SELECT ${COLUMNS} ${from} LIMIT ?`).iterate(...values, limit);
    }
    return this.#prepareRows(
      `SELECT * FROM (SELECT ${COLUMNS} ${from} LIMIT ${FILTER_WINDOW_ROWS}) WHERE producer <> ? LIMIT ?`,
    ).iterate(...values, query.excludeProducer, limit);
  }

  /** Sequence number of the last row of a full window; `undefined` when fewer rows than a window are left. */
  #windowEnd(topicNo: number, query: PageQuery, after: number, before: number): number | undefined {
    const { from, values } = rowsBetween(topicNo, query, after, before);
    const row = this.#prepare(`SELECT seq ${from} LIMIT 1 OFFSET ${FILTER_WINDOW_ROWS - 1}`).get(...values);
    return row === undefined ? undefined : integer(row, "seq");
  }

  /** A statement whose rows are arrays. */
  #prepareRows(sql: string): StatementSync {
    const statement = this.#prepare(sql);
    statement.setReturnArrays(true);
    return statement;
  }

  #prepare(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const statement = this.#database.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }
}

function rowsBetween(
  topicNo: number,
  query: PageQuery,
  after: number,
  before: number,
): { from: string; values: (string | number)[] } {
  // Named, because without statistics SQLite would look through the whole topic for a rare type.
  const index = query.type === undefined ? "events_by_seq" : "events_by_type";
  const ofType = query.type === undefined ? "" : "AND type = ?";
  const order = query.order === "asc" ? "ASC" : "DESC";
  return {
    from: `FROM events INDEXED BY ${index} WHERE topic_no = ? AND seq > ? AND seq < ? ${ofType} ORDER BY seq ${order}`,
    values: [topicNo, after, before, ...(query.type === undefined ? [] : [query.type])],
  };
}

/** Every text of a publisher's that has no small limit of its own. */
function textLength({ payloadJson, metadataJson, correlationId, replyTopic }: StoredEvent): number {
  return (
    (payloadJson?.length ?? 0) + (metadataJson?.length ?? 0) + (correlationId?.length ?? 0) + (replyTopic?.length ?? 0)
  );
}

/** By position, in the order of {@link COLUMNS}: naming ten columns of every row halves the speed of a pull. */
function toEvent(row: readonly unknown[]): StoredEvent {
  const [seq, eventId, type, storedAt, producer, objectId, correlationId, replyTopic, metadata, payload] = row;
  return {
    seq: asInteger(seq),
    eventId: asText(eventId),
    type: asText(type),
    storedAt: asInteger(storedAt),
    producer: asText(producer),
    objectId: asTextOrNull(objectId),
    correlationId: asTextOrNull(correlationId),
    replyTopic: asTextOrNull(replyTopic),
    metadataJson: asTextOrNull(metadata),
    payloadJson: asTextOrNull(payload),
  };
}
