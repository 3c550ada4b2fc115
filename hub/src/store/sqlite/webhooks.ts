/** Webhooks in SQLite. */
import type { DatabaseSync } from "node:sqlite";
import type { Webhook, WebhookStore } from "../webhook-port.ts";
import { transaction } from "./database.ts";
import type { Row } from "./rows.ts";
import { integer, oneOf, text } from "./rows.ts";

export class SqliteWebhooks implements WebhookStore {
  readonly #database: DatabaseSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  async create(webhook: Omit<Webhook, "deliveredSeq">): Promise<Webhook> {
    const row = transaction(this.#database, () =>
      this.#database
        .prepare(
          `INSERT INTO webhooks (id, topic_id, url, secret, generation, created_at, delivered_seq)
           VALUES (?, ?, ?, ?, ?, ?, (SELECT last_seq FROM topics WHERE id = ?)) RETURNING *`,
        )
        .get(
          webhook.id,
          webhook.topicId,
          webhook.url,
          webhook.secret,
          webhook.generation,
          webhook.createdAt,
          webhook.topicId,
        ),
    );
    return toWebhook(row ?? {});
  }

  async list(topicId?: string): Promise<readonly Webhook[]> {
    const rows =
      topicId === undefined
        ? this.#database.prepare("SELECT * FROM webhooks ORDER BY created_at, id").all()
        : this.#database.prepare("SELECT * FROM webhooks WHERE topic_id = ? ORDER BY created_at, id").all(topicId);
    return rows.map(toWebhook);
  }

  async remove(id: string): Promise<boolean> {
    return transaction(
      this.#database,
      () => this.#database.prepare("DELETE FROM webhooks WHERE id = ?").run(id).changes > 0,
    );
  }

  async setDelivered(id: string, seq: number): Promise<void> {
    transaction(this.#database, () =>
      this.#database
        .prepare("UPDATE webhooks SET delivered_seq = ? WHERE id = ? AND delivered_seq < ?")
        .run(seq, id, seq),
    );
  }
}

function toWebhook(row: Row): Webhook {
  return {
    id: text(row, "id"),
    topicId: text(row, "topic_id"),
    url: text(row, "url"),
    secret: text(row, "secret"),
    generation: oneOf(row, "generation", ["a", "b"]),
    createdAt: integer(row, "created_at"),
    deliveredSeq: integer(row, "delivered_seq"),
  };
}
