/**
 * Deleting what has outlived its retention, a bounded number of rows per call so that nobody waits long for the
 * database. Only a prefix of a topic is ever deleted, so "what was deleted" is one number per topic, and numbering goes
 * on after it whatever happens.
 */
import type { DatabaseSync } from "node:sqlite";
import { transaction } from "./database.ts";
import { integer } from "./rows.ts";
import type { SqliteTopics, TopicState } from "./topics.ts";

/** Spent and expired codes are kept a while, so that a late visitor hears the right reason. */
const CODE_GRACE_MS = 7 * 24 * 3_600_000;

export class Retention {
  readonly #database: DatabaseSync;
  readonly #topics: SqliteTopics;
  readonly #idempotencyKeyMs: number;

  constructor(database: DatabaseSync, topics: SqliteTopics, idempotencyKeyMs: number) {
    this.#database = database;
    this.#topics = topics;
    this.#idempotencyKeyMs = idempotencyKeyMs;
  }

  /** @returns how many rows went; fewer than `maxRows` means nothing is left to do */
  sweep(now: number, maxRows: number): number {
    let left = maxRows;
    for (const state of this.#topics.states()) {
      if (left === 0) return maxRows;
      left -= this.#sweepTopic(state, now - state.topic.retentionS * 1000, left);
    }
    left -= this.#sweepKeys(now - this.#idempotencyKeyMs, left);
    left -= this.#sweepSecrets(now, left);
    return maxRows - left;
  }

  #sweepTopic(state: TopicState, cutoff: number, limit: number): number {
    const oldest = this.#database
      .prepare("SELECT seq, stored_at FROM events WHERE topic_no = ? ORDER BY seq LIMIT ?")
      .all(state.no, limit);
    const kept = oldest.findIndex((row) => integer(row, "stored_at") >= cutoff);
    const expired = kept === -1 ? oldest : oldest.slice(0, kept);
    const last = expired.at(-1);
    if (last === undefined) return 0;
    const through = integer(last, "seq");
    transaction(this.#database, () => {
      this.#database.prepare("DELETE FROM events WHERE topic_no = ? AND seq <= ?").run(state.no, through);
      this.#database.prepare("UPDATE topics SET deleted_through_seq = ? WHERE no = ?").run(through, state.no);
    });
    state.deletedThroughSeq = through;
    return expired.length;
  }

  #sweepKeys(cutoff: number, limit: number): number {
    return transaction(this.#database, () =>
      Number(
        this.#database
          .prepare(
            `DELETE FROM idempotency_keys WHERE (topic_no, producer, key) IN
               (SELECT topic_no, producer, key FROM idempotency_keys WHERE stored_at < ? LIMIT ?)`,
          )
          .run(cutoff, limit).changes,
      ),
    );
  }

  #sweepSecrets(now: number, limit: number): number {
    return transaction(this.#database, () => {
      let gone = 0;
      const cutoffs = { refresh_tokens: now, activation_codes: now - CODE_GRACE_MS, invite_codes: now - CODE_GRACE_MS };
      for (const [table, cutoff] of Object.entries(cutoffs)) {
        const { changes } = this.#database
          .prepare(`DELETE FROM ${table} WHERE hash IN (SELECT hash FROM ${table} WHERE expires_at < ? LIMIT ?)`)
          .run(cutoff, limit - gone);
        gone += Number(changes);
      }
      return gone;
    });
  }
}
