/** What is known of payload objects, in SQLite. Their bytes are elsewhere. */
import type { DatabaseSync } from "node:sqlite";
import type { ObjectStore, PayloadObject } from "../port.ts";
import { storeError } from "./database.ts";
import type { Row } from "./rows.ts";
import { integer, oneOf, text, textOrNull } from "./rows.ts";

export class SqliteObjects implements ObjectStore {
  readonly #database: DatabaseSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  async create(object: PayloadObject): Promise<PayloadObject> {
    this.#run(
      `INSERT INTO objects (id, topic_id, producer, generation, content_type, filename, size_bytes, sha256, state,
         created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      [
        object.id,
        object.topicId,
        object.producer,
        object.generation,
        object.contentType,
        object.filename,
        object.sizeBytes,
        object.sha256,
        object.state,
        object.createdAt,
      ],
    );
    return object;
  }

  async get(id: string): Promise<PayloadObject | undefined> {
    const row = this.#database.prepare("SELECT * FROM objects WHERE id = ?").get(id);
    return row === undefined ? undefined : toObject(row);
  }

  async markUploaded(id: string): Promise<boolean> {
    return this.#run("UPDATE objects SET state = 'uploaded' WHERE id = ? AND state = 'pending'", [id]) > 0;
  }

  async removeExpired(now: number, unreferencedBefore: number, limit: number): Promise<readonly string[]> {
    try {
      return this.#database
        .prepare(
          `DELETE FROM objects WHERE id IN (
             SELECT objects.id FROM objects JOIN topics ON topics.id = objects.topic_id
             WHERE coalesce(committed_at, objects.created_at) <
               CASE WHEN state = 'committed' OR generation = 'a' THEN ? - topics.retention_s * 1000 ELSE ? END
             LIMIT ?)
           RETURNING id`,
        )
        .all(now, unreferencedBefore, limit)
        .map((row) => text(row, "id"));
    } catch (error) {
      throw storeError(error);
    }
  }

  #run(sql: string, values: readonly (string | number | null)[]): number {
    try {
      return Number(this.#database.prepare(sql).run(...values).changes);
    } catch (error) {
      throw storeError(error);
    }
  }
}

function toObject(row: Row): PayloadObject {
  return {
    id: text(row, "id"),
    topicId: text(row, "topic_id"),
    producer: text(row, "producer"),
    generation: oneOf(row, "generation", ["a", "b"]),
    contentType: textOrNull(row, "content_type"),
    filename: textOrNull(row, "filename"),
    sizeBytes: integer(row, "size_bytes"),
    sha256: textOrNull(row, "sha256"),
    state: oneOf(row, "state", ["pending", "uploaded", "committed"]),
    createdAt: integer(row, "created_at"),
  };
}
