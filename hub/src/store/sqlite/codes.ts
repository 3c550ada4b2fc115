/** One-time codes in SQLite. A code is consumed by one conditional UPDATE, so of many callers exactly one gets it. */
import type { DatabaseSync } from "node:sqlite";
import type {
  ActivationOutcome,
  CodeStore,
  InviteCode,
  InviteOutcome,
  NewActivationCode,
  NewCredential,
  NewInviteCode,
} from "../port.ts";
import type { SqliteCredentials } from "./credentials.ts";
import { transaction } from "./database.ts";
import { integer, integerOrNull, oneOf, text } from "./rows.ts";
import type { SqliteScripts } from "./scripts.ts";

export class SqliteCodes implements CodeStore {
  readonly #database: DatabaseSync;
  readonly #scripts: SqliteScripts;
  readonly #credentials: SqliteCredentials;

  constructor(database: DatabaseSync, scripts: SqliteScripts, credentials: SqliteCredentials) {
    this.#database = database;
    this.#scripts = scripts;
    this.#credentials = credentials;
  }

  async createActivationCode(code: NewActivationCode): Promise<void> {
    transaction(this.#database, () =>
      this.#database
        .prepare(
          "INSERT INTO activation_codes (hash, script_id, generation, created_at, expires_at) VALUES (?, ?, ?, ?, ?)",
        )
        .run(code.hash, code.scriptId, code.generation, code.createdAt, code.expiresAt),
    );
  }

  async redeemActivationCode(hash: string, now: number, credential: NewCredential): Promise<ActivationOutcome> {
    const outcome = transaction(this.#database, (): ActivationOutcome => {
      const consumed = this.#database
        .prepare(
          `UPDATE activation_codes SET consumed_at = ? WHERE hash = ? AND consumed_at IS NULL AND expires_at > ?
           RETURNING script_id`,
        )
        .get(now, hash, now);
      if (consumed === undefined) return { outcome: this.#isLeft("activation_codes", hash) ? "expired" : "unknown" };
      const scriptId = text(consumed, "script_id");
      this.#credentials.insert(scriptId, credential);
      return { outcome: "redeemed", scriptId, grants: this.#scripts.grantsOf(scriptId) };
    });
    if (outcome.outcome === "redeemed") this.#scripts.accessChanged(outcome.scriptId);
    return outcome;
  }

  async createInviteCode(code: NewInviteCode): Promise<void> {
    transaction(this.#database, () =>
      this.#database
        .prepare("INSERT INTO invite_codes (hash, topic_id, action, created_at, expires_at) VALUES (?, ?, ?, ?, ?)")
        .run(code.hash, code.topicId, code.action, code.createdAt, code.expiresAt),
    );
  }

  async inviteCodes(topicId: string): Promise<readonly InviteCode[]> {
    return this.#database
      .prepare("SELECT * FROM invite_codes WHERE topic_id = ? ORDER BY created_at DESC")
      .all(topicId)
      .map((row) => ({
        topicId: text(row, "topic_id"),
        action: oneOf(row, "action", ["read", "write"]),
        createdAt: integer(row, "created_at"),
        expiresAt: integer(row, "expires_at"),
        consumedAt: integerOrNull(row, "consumed_at"),
      }));
  }

  async redeemInviteCode(hash: string, now: number, scriptId: string, grantId: string): Promise<InviteOutcome> {
    const outcome = transaction(this.#database, (): InviteOutcome => {
      const consumed = this.#database
        .prepare(
          `UPDATE invite_codes SET consumed_at = ? WHERE hash = ? AND consumed_at IS NULL AND expires_at > ?
           RETURNING topic_id, action`,
        )
        .get(now, hash, now);
      if (consumed === undefined) return this.#whyNoInvite(hash);
      const grant = this.#scripts.insertGrant({
        id: grantId,
        scriptId,
        topicId: text(consumed, "topic_id"),
        action: oneOf(consumed, "action", ["read", "write"]),
        createdAt: now,
      });
      return { outcome: "redeemed", grant };
    });
    if (outcome.outcome === "redeemed") this.#scripts.accessChanged(scriptId);
    return outcome;
  }

  #whyNoInvite(hash: string): InviteOutcome {
    if (this.#isLeft("invite_codes", hash)) return { outcome: "expired" };
    const known = this.#database.prepare("SELECT 1 FROM invite_codes WHERE hash = ?").get(hash);
    return { outcome: known === undefined ? "unknown" : "spent" };
  }

  /** A code that could not be consumed though nobody has consumed it: its time is over. */
  #isLeft(table: "activation_codes" | "invite_codes", hash: string): boolean {
    const sql = `SELECT 1 FROM ${table} WHERE hash = ? AND consumed_at IS NULL`;
    return this.#database.prepare(sql).get(hash) !== undefined;
  }
}
