/** Scripts and grants in SQLite. What a script may do is asked on every call, so the answer is kept until it changes. */
import type { DatabaseSync } from "node:sqlite";
import { HubError } from "../../errors.ts";
import type { Access, Action, Grant, Script, ScriptStore } from "../port.ts";
import { storeError, transaction } from "./database.ts";
import type { Row } from "./rows.ts";
import { integer, integerOrNull, oneOf, text, textOrNull } from "./rows.ts";

export class SqliteScripts implements ScriptStore {
  readonly #database: DatabaseSync;
  readonly #access = new Map<string, Access>();
  readonly #listeners = new Set<(scriptId: string) => void>();

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  async create(script: Script, grants: readonly Grant[]): Promise<Script> {
    transaction(this.#database, () => {
      this.insertScript(script);
      for (const grant of grants) this.insertGrant(grant);
    });
    return script;
  }

  /** The insert alone, for transactions that do more. */
  insertScript(script: Script): void {
    this.#run("INSERT INTO scripts (id, name, description, created_at, disabled_at) VALUES (?, ?, ?, ?, ?)", [
      script.id,
      script.name,
      script.description,
      script.createdAt,
      script.disabledAt,
    ]);
  }

  async get(id: string): Promise<Script | undefined> {
    return this.#find(id);
  }

  #find(id: string): Script | undefined {
    const row = this.#database.prepare("SELECT * FROM scripts WHERE id = ?").get(id);
    return row === undefined ? undefined : toScript(row);
  }

  async list(): Promise<readonly Script[]> {
    return this.#database.prepare("SELECT * FROM scripts ORDER BY created_at, id").all().map(toScript);
  }

  async setDisabled(id: string, disabledAt: number | null): Promise<boolean> {
    const changed = this.#run("UPDATE scripts SET disabled_at = ? WHERE id = ?", [disabledAt, id]) > 0;
    this.accessChanged(id);
    return changed;
  }

  async grant(grant: Grant): Promise<Grant> {
    const stored = this.insertGrant(grant);
    this.accessChanged(grant.scriptId);
    return stored;
  }

  /** The insert alone, for transactions that do more; they call {@link accessChanged} after their commit. */
  insertGrant(grant: Grant): Grant {
    this.#run(
      "INSERT INTO grants (id, script_id, topic_id, action, created_at) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
      [grant.id, grant.scriptId, grant.topicId, grant.action, grant.createdAt],
    );
    const row = this.#database
      .prepare("SELECT * FROM grants WHERE script_id = ? AND topic_id = ? AND action = ?")
      .get(grant.scriptId, grant.topicId, grant.action);
    if (row === undefined) throw new HubError("INTERNAL", "The new grant cannot be read back");
    return toGrant(row);
  }

  async revokeGrant(grantId: string): Promise<boolean> {
    const row = this.#database.prepare("SELECT * FROM grants WHERE id = ?").get(grantId);
    if (row === undefined) return false;
    this.#run("DELETE FROM grants WHERE id = ?", [grantId]);
    this.accessChanged(text(row, "script_id"));
    return true;
  }

  async grants(scriptId?: string): Promise<readonly Grant[]> {
    return this.grantsOf(scriptId);
  }

  grantsOf(scriptId?: string): readonly Grant[] {
    const rows =
      scriptId === undefined
        ? this.#database.prepare("SELECT * FROM grants ORDER BY script_id, topic_id, action").all()
        : this.#database.prepare("SELECT * FROM grants WHERE script_id = ? ORDER BY topic_id, action").all(scriptId);
    return rows.map(toGrant);
  }

  async access(scriptId: string): Promise<Access | undefined> {
    const known = this.#access.get(scriptId);
    if (known !== undefined) return known;
    // Read and kept without a pause in between: a change that came in one would be overwritten by what was read before.
    const script = this.#find(scriptId);
    if (script === undefined) return undefined;
    const grants = new Map<string, Set<Action>>();
    for (const grant of this.grantsOf(scriptId)) {
      const actions = grants.get(grant.topicId) ?? new Set<Action>();
      grants.set(grant.topicId, actions.add(grant.action));
    }
    const credentials = this.#database
      .prepare("SELECT id FROM credentials WHERE script_id = ? AND revoked_at IS NULL")
      .all(scriptId)
      .map((row) => text(row, "id"));
    const access: Access = { script, grants, credentials: new Set(credentials) };
    this.#access.set(scriptId, access);
    return access;
  }

  onAccessChange(listener: (scriptId: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Forgets what was kept about a script and tells the listeners. */
  accessChanged(scriptId: string): void {
    this.#access.delete(scriptId);
    for (const listener of this.#listeners) listener(scriptId);
  }

  #run(sql: string, values: readonly (string | number | null)[]): number {
    try {
      return Number(this.#database.prepare(sql).run(...values).changes);
    } catch (error) {
      throw storeError(error);
    }
  }
}

function toScript(row: Row): Script {
  return {
    id: text(row, "id"),
    name: text(row, "name"),
    description: textOrNull(row, "description"),
    createdAt: integer(row, "created_at"),
    disabledAt: integerOrNull(row, "disabled_at"),
  };
}

function toGrant(row: Row): Grant {
  return {
    id: text(row, "id"),
    scriptId: text(row, "script_id"),
    topicId: text(row, "topic_id"),
    action: oneOf(row, "action", ["read", "write"]),
    createdAt: integer(row, "created_at"),
  };
}
