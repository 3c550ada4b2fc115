/**
 * The world's log in SQLite: one table that only grows at its end, so that a commit writes few pages however large the
 * world is. An entity's history needs no index: each event points to the one before it.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { WorldClaim, WorldLog, WorldLogBounds, WorldLogEntry } from "../world-port.ts";
import { transaction } from "./database.ts";
import { asInteger, asRow, asText, asTextOrNull, integer, text } from "./rows.ts";

const COLUMNS =
  "seq, at, event_id, entity_id, previous, stream, source, timestamp, key, schema, payload, extras, principal";

export class SqliteWorldLog implements WorldLog {
  readonly id: string;
  readonly #database: DatabaseSync;
  readonly #insert: StatementSync;
  readonly #insertClaim: StatementSync;
  readonly #selectClaim: StatementSync;
  readonly #selectOne: StatementSync;
  readonly #selectAfter: StatementSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#insert = database.prepare(
      `INSERT INTO world_events (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#insertClaim = database.prepare(
      "INSERT INTO world_claims (fingerprint, seq, at) VALUES (?, ?, ?) ON CONFLICT (fingerprint) DO UPDATE SET seq = excluded.seq, at = excluded.at",
    );
    this.#selectClaim = database.prepare(
      `SELECT e.seq, e.event_id FROM world_claims c JOIN world_events e ON e.seq = c.seq WHERE c.fingerprint = ?`,
    );
    this.#selectOne = arrays(database.prepare(`SELECT ${COLUMNS} FROM world_events WHERE seq = ?`));
    this.#selectAfter = arrays(
      database.prepare(`SELECT ${COLUMNS} FROM world_events WHERE seq > ? ORDER BY seq LIMIT ?`),
    );
    this.id = text(this.#meta(), "id");
  }

  async bounds(): Promise<WorldLogBounds> {
    const meta = this.#meta();
    const newest = this.#database.prepare("SELECT seq, at FROM world_events ORDER BY seq DESC LIMIT 1").get();
    const droppedThrough = integer(meta, "dropped_through");
    const droppedAt = integer(meta, "dropped_at");
    return {
      lastSeq: newest === undefined ? droppedThrough : integer(newest, "seq"),
      lastAt: newest === undefined ? droppedAt : integer(newest, "at"),
      droppedThrough,
      droppedAt,
    };
  }

  async append(entries: readonly WorldLogEntry[], claims: readonly WorldClaim[]): Promise<void> {
    transaction(this.#database, () => {
      for (const entry of entries) {
        this.#insert.run(
          entry.seq,
          entry.at,
          entry.eventId,
          entry.entityId,
          entry.previous,
          entry.stream,
          entry.source,
          entry.timestamp,
          entry.key,
          entry.schema,
          entry.payload,
          entry.extras,
          entry.principal,
        );
      }
      for (const { fingerprint, seq, at } of claims) this.#insertClaim.run(fingerprint, seq, at);
    });
  }

  async claimed(fingerprint: string): Promise<Pick<WorldLogEntry, "seq" | "eventId"> | undefined> {
    const row = this.#selectClaim.get(fingerprint);
    return row === undefined ? undefined : { seq: integer(row, "seq"), eventId: text(row, "event_id") };
  }

  async after(seq: number, limit: number): Promise<readonly WorldLogEntry[]> {
    return this.#selectAfter.all(seq, limit).map((row) => toEntry(row));
  }

  async chain(seq: number, sinceAt: number, limit: number): Promise<readonly WorldLogEntry[]> {
    const entries: WorldLogEntry[] = [];
    for (let next = seq; next > 0 && entries.length < limit;) {
      const row = this.#selectOne.get(next);
      if (row === undefined) break;
      const entry = toEntry(row);
      if (entry.at < sinceAt) break;
      entries.push(entry);
      next = entry.previous;
    }
    return entries;
  }

  async drop(beforeAt: number, throughSeq: number, claimsBeforeAt: number, limit: number): Promise<number> {
    const oldest = this.#database
      .prepare("SELECT seq, at FROM world_events WHERE seq <= ? ORDER BY seq LIMIT ?")
      .all(throughSeq, limit);
    const kept = oldest.findIndex((row) => integer(row, "at") >= beforeAt);
    const old = kept === -1 ? oldest : oldest.slice(0, kept);
    const last = old.at(-1);
    transaction(this.#database, () => {
      this.#database
        .prepare(
          "DELETE FROM world_claims WHERE fingerprint IN (SELECT fingerprint FROM world_claims WHERE at < ? LIMIT ?)",
        )
        .run(claimsBeforeAt, limit);
      if (last === undefined) return;
      const seq = integer(last, "seq");
      this.#database.prepare("DELETE FROM world_events WHERE seq <= ?").run(seq);
      this.#database.prepare("UPDATE world_meta SET dropped_through = ?, dropped_at = ?").run(seq, integer(last, "at"));
    });
    return old.length;
  }

  async probe(bytes: number): Promise<void> {
    const { lastSeq, lastAt } = await this.bounds();
    transaction(this.#database, () => {
      const payload = " ".repeat(bytes);
      this.#insert.run(lastSeq + 1, lastAt, "probe", null, 0, "", "", 0, null, null, payload, null, null);
      this.#database.prepare("DELETE FROM world_events WHERE seq = ?").run(lastSeq + 1);
    });
  }

  #meta(): Record<string, unknown> {
    const row = this.#database.prepare("SELECT id, dropped_through, dropped_at FROM world_meta").get();
    if (row === undefined) throw new TypeError("the world's log has no name");
    return row;
  }
}

function arrays(statement: StatementSync): StatementSync {
  statement.setReturnArrays(true);
  return statement;
}

function toEntry(row: unknown): WorldLogEntry {
  const [seq, at, eventId, entityId, previous, stream, source, timestamp, key, schema, payload, extras, principal] =
    asRow(row);
  return {
    seq: asInteger(seq),
    at: asInteger(at),
    eventId: asText(eventId),
    entityId: asTextOrNull(entityId),
    previous: asInteger(previous),
    stream: asText(stream),
    source: asText(source),
    timestamp: asInteger(timestamp),
    key: asTextOrNull(key),
    schema: asTextOrNull(schema),
    payload: asText(payload),
    extras: asTextOrNull(extras),
    principal: asTextOrNull(principal),
  };
}
