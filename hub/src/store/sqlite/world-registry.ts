/** The world's namespaces, settings and connector credentials in SQLite. */
import type { DatabaseSync } from "node:sqlite";
import type { WorldNamespace, WorldRegistry } from "../world-port.ts";
import { transaction } from "./database.ts";
import { integer, text } from "./rows.ts";

export class SqliteWorldRegistry implements WorldRegistry {
  readonly #database: DatabaseSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  async namespaces(): Promise<readonly WorldNamespace[]> {
    return this.#database
      .prepare("SELECT name, id, token_hash, created_at, is_private FROM world_namespaces ORDER BY created_at, name")
      .all()
      .map((row) => ({
        name: text(row, "name"),
        id: text(row, "id"),
        tokenHash: text(row, "token_hash"),
        createdAt: integer(row, "created_at"),
        isPrivate: integer(row, "is_private") === 1,
      }));
  }

  async putNamespace({ name, id, tokenHash, createdAt, isPrivate }: WorldNamespace): Promise<void> {
    this.#run(
      `INSERT INTO world_namespaces (name, id, token_hash, created_at, is_private) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (name) DO UPDATE SET token_hash = excluded.token_hash, is_private = excluded.is_private`,
      [name, id, tokenHash, createdAt, isPrivate ? 1 : 0],
    );
  }

  async removeNamespace(name: string): Promise<void> {
    this.#run("DELETE FROM world_namespaces WHERE name = ?", [name]);
  }

  async settings(): Promise<string | undefined> {
    const row = this.#database.prepare("SELECT settings FROM world_settings").get();
    return row === undefined ? undefined : text(row, "settings");
  }

  async putSettings(json: string): Promise<void> {
    this.#run("INSERT INTO world_settings (no, settings) VALUES (1, ?) ON CONFLICT (no) DO UPDATE SET settings = ?", [
      json,
      json,
    ]);
  }

  async connectorsOf(namespace: string): Promise<readonly string[]> {
    return this.#database
      .prepare("SELECT connector FROM world_credentials WHERE namespace = ?")
      .all(namespace)
      .map((row) => text(row, "connector"));
  }

  async putCredential(namespace: string, connector: string, sealed: Uint8Array): Promise<void> {
    this.#run(
      `INSERT INTO world_credentials (namespace, connector, sealed) VALUES (?, ?, ?)
         ON CONFLICT (namespace, connector) DO UPDATE SET sealed = excluded.sealed`,
      [namespace, connector, sealed],
    );
  }

  async removeCredential(namespace: string, connector: string): Promise<boolean> {
    const changes = this.#run("DELETE FROM world_credentials WHERE namespace = ? AND connector = ?", [
      namespace,
      connector,
    ]);
    return changes > 0;
  }

  async removeCredentialsOf(namespace: string): Promise<void> {
    this.#run("DELETE FROM world_credentials WHERE namespace = ?", [namespace]);
  }

  #run(sql: string, values: (string | number | Uint8Array)[]): number {
    return transaction(this.#database, () => Number(this.#database.prepare(sql).run(...values).changes));
  }
}
