/** The embedded store: one SQLite database in the data folder, one process, one connection. */
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import type { Metrics } from "../runtime.ts";
import type { Store, StoreHealth } from "./port.ts";
import { SqliteCodes } from "./sqlite/codes.ts";
import { SqliteCredentials } from "./sqlite/credentials.ts";
import { openDatabase, transaction } from "./sqlite/database.ts";
import { SqliteDevices } from "./sqlite/devices.ts";
import { SqliteEvents } from "./sqlite/events.ts";
import { GroupCommit } from "./sqlite/group-commit.ts";
import { SqliteObjects } from "./sqlite/objects.ts";
import { Retention } from "./sqlite/retention.ts";
import { migrate } from "./sqlite/schema.ts";
import { SqliteScripts } from "./sqlite/scripts.ts";
import { SqliteTopics } from "./sqlite/topics.ts";
import { SqliteWebhooks } from "./sqlite/webhooks.ts";
import { SqliteWorldLog } from "./sqlite/world-log.ts";
import { SqliteWorldRegistry } from "./sqlite/world-registry.ts";

/** Enough to need fresh pages of the file. */
const PROBE_BYTES = 64 * 1024;

export interface SqliteStoreOptions {
  readonly dataDir: string;
  readonly metrics: Metrics;
  readonly idempotencyKeyMs: number;
  /** Upper bound of the database, in pages of 8 KiB. */
  readonly maxPages?: number;
}

/** A store whose database handle further rooms of this engine may build on. */
export interface SqliteStore extends Store {
  readonly database: DatabaseSync;
}

/**
 * Opens the store, creating or migrating the database. The caller holds the folder's lock.
 * @throws HubError DATA_FOLDER_UNUSABLE, STORAGE_FULL, UNAVAILABLE
 */
export function openSqliteStore(options: SqliteStoreOptions): SqliteStore {
  const database = openDatabase({
    path: join(options.dataDir, "hub.db"),
    ...(options.maxPages === undefined ? {} : { maxPages: options.maxPages }),
  });
  migrate(database);
  const topics = new SqliteTopics(database);
  const scripts = new SqliteScripts(database);
  const credentials = new SqliteCredentials(database, scripts);
  const commit = new GroupCommit(database, topics, options.metrics);
  const retention = new Retention(database, topics, options.idempotencyKeyMs);
  return {
    database,
    topics,
    scripts,
    credentials,
    events: new SqliteEvents(database, topics, commit, retention),
    codes: new SqliteCodes(database, scripts, credentials),
    objects: new SqliteObjects(database),
    webhooks: new SqliteWebhooks(database),
    devices: new SqliteDevices(database, { topics, scripts, credentials }),
    world: { log: new SqliteWorldLog(database), registry: new SqliteWorldRegistry(database) },
    async health() {
      return probe(database, commit.lastFailed);
    },
    async close() {
      if (!database.isOpen) return;
      commit.close();
      database.close();
    },
  };
}

/** While commits succeed, the database is asked to read only; after a failed one it must prove that it can write. */
function probe(database: DatabaseSync, lastCommitFailed: boolean): StoreHealth {
  try {
    if (lastCommitFailed) {
      transaction(database, () => {
        database.exec(`CREATE TABLE probe AS SELECT zeroblob(${PROBE_BYTES}) AS content`);
        database.exec("DROP TABLE probe");
      });
    }
    database.prepare("SELECT no FROM topics LIMIT 1").get();
    return { writable: true };
  } catch (error) {
    return { writable: false, reason: error instanceof Error ? error.message : String(error) };
  }
}
