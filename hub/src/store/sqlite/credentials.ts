/** Credentials and refresh tokens in SQLite. */
import type { DatabaseSync } from "node:sqlite";
import type { Credential, CredentialStore, NewCredential, NewRefreshToken, RefreshOutcome } from "../port.ts";
import { transaction } from "./database.ts";
import type { Row } from "./rows.ts";
import { integer, integerOrNull, oneOf, text } from "./rows.ts";
import type { SqliteScripts } from "./scripts.ts";

export class SqliteCredentials implements CredentialStore {
  readonly #database: DatabaseSync;
  readonly #scripts: SqliteScripts;

  constructor(database: DatabaseSync, scripts: SqliteScripts) {
    this.#database = database;
    this.#scripts = scripts;
  }

  async create(scriptId: string, credential: NewCredential): Promise<Credential> {
    const created = transaction(this.#database, () => this.insert(scriptId, credential));
    this.#scripts.accessChanged(scriptId);
    return created;
  }

  /** The insert alone, for transactions that do more; they tell the scripts room after their commit. */
  insert(scriptId: string, credential: NewCredential): Credential {
    this.#database
      .prepare(
        "INSERT INTO credentials (id, script_id, generation, secret_hash, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?)",
      )
      .run(
        credential.id,
        scriptId,
        credential.generation,
        credential.secretHash,
        credential.createdAt,
        credential.expiresAt,
      );
    return { ...credential, scriptId, revokedAt: null };
  }

  async get(credentialId: string): Promise<Credential | undefined> {
    return this.find(credentialId);
  }

  async ofScript(scriptId: string): Promise<readonly Credential[]> {
    return this.#database
      .prepare("SELECT * FROM credentials WHERE script_id = ? AND revoked_at IS NULL ORDER BY created_at DESC, id")
      .all(scriptId)
      .map(toCredential);
  }

  async replaceSecret(credentialId: string, oldHash: string, newHash: string, expiresAt: number): Promise<boolean> {
    return transaction(this.#database, () => {
      const { changes } = this.#database
        .prepare(
          "UPDATE credentials SET secret_hash = ?, expires_at = ? WHERE id = ? AND secret_hash = ? AND revoked_at IS NULL",
        )
        .run(newHash, expiresAt, credentialId, oldHash);
      if (Number(changes) === 0) return false;
      this.#database.prepare("DELETE FROM refresh_tokens WHERE credential_id = ?").run(credentialId);
      return true;
    });
  }

  async revoke(credentialId: string, now: number): Promise<boolean> {
    const scriptId = transaction(this.#database, () => {
      const row = this.#database
        .prepare("UPDATE credentials SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL RETURNING script_id")
        .get(now, credentialId);
      if (row === undefined) return undefined;
      this.#database.prepare("DELETE FROM refresh_tokens WHERE credential_id = ?").run(credentialId);
      return text(row, "script_id");
    });
    if (scriptId === undefined) return false;
    this.#scripts.accessChanged(scriptId);
    return true;
  }

  async byRefreshToken(hash: string): Promise<Credential | undefined> {
    const row = this.#database.prepare("SELECT credential_id FROM refresh_tokens WHERE hash = ?").get(hash);
    return row === undefined ? undefined : this.find(text(row, "credential_id"));
  }

  async startRefreshFamily(credentialId: string, familyId: string, token: NewRefreshToken): Promise<void> {
    transaction(this.#database, () => this.#insertRefresh(credentialId, familyId, token));
  }

  async rotateRefreshToken(hash: string, now: number, next: NewRefreshToken): Promise<RefreshOutcome> {
    return transaction(this.#database, (): RefreshOutcome => {
      const spent = this.#database
        .prepare(
          `UPDATE refresh_tokens SET used_at = ? WHERE hash = ? AND used_at IS NULL AND expires_at > ?
           RETURNING family_id, credential_id`,
        )
        .get(now, hash, now);
      if (spent === undefined) return this.#whyNot(hash);
      const credential = this.find(text(spent, "credential_id"));
      if (credential === undefined || credential.revokedAt !== null) return { outcome: "unknown" };
      this.#insertRefresh(credential.id, text(spent, "family_id"), next);
      return { outcome: "rotated", credential };
    });
  }

  async revokeRefreshFamily(familyId: string): Promise<void> {
    transaction(this.#database, () =>
      this.#database.prepare("DELETE FROM refresh_tokens WHERE family_id = ?").run(familyId),
    );
  }

  #whyNot(hash: string): RefreshOutcome {
    const row = this.#database.prepare("SELECT family_id, used_at FROM refresh_tokens WHERE hash = ?").get(hash);
    if (row === undefined) return { outcome: "unknown" };
    const usedAt = integerOrNull(row, "used_at");
    return usedAt === null ? { outcome: "expired" } : { outcome: "reused", familyId: text(row, "family_id"), usedAt };
  }

  #insertRefresh(credentialId: string, familyId: string, token: NewRefreshToken): void {
    this.#database
      .prepare(
        "INSERT INTO refresh_tokens (hash, family_id, credential_id, created_at, expires_at) VALUES (?, ?, ?, ?, ?)",
      )
      .run(token.hash, familyId, credentialId, token.createdAt, token.expiresAt);
  }

  /** For the other rooms of this engine, which work inside transactions. */
  find(credentialId: string): Credential | undefined {
    const row = this.#database.prepare("SELECT * FROM credentials WHERE id = ?").get(credentialId);
    return row === undefined ? undefined : toCredential(row);
  }
}

function toCredential(row: Row): Credential {
  return {
    id: text(row, "id"),
    scriptId: text(row, "script_id"),
    generation: oneOf(row, "generation", ["a", "b"]),
    secretHash: text(row, "secret_hash"),
    createdAt: integer(row, "created_at"),
    expiresAt: integer(row, "expires_at"),
    revokedAt: integerOrNull(row, "revoked_at"),
  };
}
