/** The database schema, as a list of steps. A step that was ever released is never changed: add another. */
import type { DatabaseSync } from "node:sqlite";
import { HubError } from "../../errors.ts";

const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE topics (
    no INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL UNIQUE,
    display_name TEXT,
    retention_s INTEGER NOT NULL,
    last_seq INTEGER NOT NULL DEFAULT 0,
    deleted_through_seq INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE events (
    no INTEGER PRIMARY KEY,
    topic_no INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    event_id TEXT NOT NULL,
    type TEXT NOT NULL,
    stored_at INTEGER NOT NULL,
    producer TEXT NOT NULL,
    object_id TEXT,
    correlation_id TEXT,
    reply_topic TEXT,
    metadata TEXT,
    payload TEXT
  ) STRICT;
  CREATE UNIQUE INDEX events_by_seq ON events (topic_no, seq);
  CREATE UNIQUE INDEX events_by_id ON events (event_id);
  CREATE INDEX events_by_type ON events (topic_no, type, seq);

  CREATE TABLE idempotency_keys (
    topic_no INTEGER NOT NULL,
    producer TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    event_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    stored_at INTEGER NOT NULL,
    PRIMARY KEY (topic_no, producer, key)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX idempotency_keys_by_age ON idempotency_keys (stored_at);

  CREATE TABLE scripts (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    description TEXT,
    created_at INTEGER NOT NULL,
    disabled_at INTEGER
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE grants (
    id TEXT PRIMARY KEY,
    script_id TEXT NOT NULL,
    topic_id TEXT NOT NULL,
    action TEXT NOT NULL CHECK (action IN ('read', 'write')),
    created_at INTEGER NOT NULL,
    UNIQUE (script_id, topic_id, action)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE credentials (
    id TEXT PRIMARY KEY,
    script_id TEXT NOT NULL,
    generation TEXT NOT NULL CHECK (generation IN ('a', 'b')),
    secret_hash TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX credentials_by_script ON credentials (script_id);

  CREATE TABLE refresh_tokens (
    hash TEXT PRIMARY KEY,
    family_id TEXT NOT NULL,
    credential_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at INTEGER
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX refresh_tokens_by_family ON refresh_tokens (family_id);
  CREATE INDEX refresh_tokens_by_credential ON refresh_tokens (credential_id);
  CREATE INDEX refresh_tokens_by_expiry ON refresh_tokens (expires_at);

  CREATE TABLE activation_codes (
    hash TEXT PRIMARY KEY,
    script_id TEXT NOT NULL,
    generation TEXT NOT NULL CHECK (generation IN ('a', 'b')),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    consumed_at INTEGER
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE invite_codes (
    hash TEXT PRIMARY KEY,
    topic_id TEXT NOT NULL,
    action TEXT NOT NULL CHECK (action IN ('read', 'write')),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    consumed_at INTEGER
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE objects (
    id TEXT PRIMARY KEY,
    topic_id TEXT NOT NULL,
    producer TEXT NOT NULL,
    generation TEXT NOT NULL CHECK (generation IN ('a', 'b')),
    content_type TEXT,
    filename TEXT,
    size_bytes INTEGER NOT NULL,
    sha256 TEXT,
    state TEXT NOT NULL CHECK (state IN ('pending', 'uploaded', 'committed')),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    committed_at INTEGER
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX objects_by_state ON objects (state, expires_at);
  `,
  `
  CREATE TABLE webhooks (
    id TEXT PRIMARY KEY,
    topic_id TEXT NOT NULL,
    url TEXT NOT NULL,
    secret TEXT NOT NULL,
    generation TEXT NOT NULL CHECK (generation IN ('a', 'b')),
    created_at INTEGER NOT NULL,
    delivered_seq INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX webhooks_by_topic ON webhooks (topic_id);
  `,
  `
  CREATE TABLE oauth_clients (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE access_requests (
    device_hash TEXT PRIMARY KEY,
    user_code TEXT NOT NULL UNIQUE,
    client_id TEXT NOT NULL,
    client_hint TEXT,
    wanted TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'approved', 'denied', 'spent')),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    interval_s INTEGER NOT NULL,
    last_poll_at INTEGER,
    credential_id TEXT,
    granted TEXT
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX access_requests_by_expiry ON access_requests (expires_at);

  CREATE TABLE approved_clients (
    credential_id TEXT PRIMARY KEY,
    client_id TEXT NOT NULL,
    actions TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  `,
  `
  CREATE TABLE world_meta (
    id TEXT NOT NULL,
    dropped_through INTEGER NOT NULL,
    dropped_at INTEGER NOT NULL
  ) STRICT;
  INSERT INTO world_meta (id, dropped_through, dropped_at) VALUES (lower(hex(randomblob(16))), 0, 0);

  CREATE TABLE world_events (
    seq INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    event_id TEXT NOT NULL,
    entity_id TEXT,
    previous INTEGER NOT NULL,
    stream TEXT NOT NULL,
    source TEXT NOT NULL,
    timestamp INTEGER NOT NULL,
    key TEXT,
    schema TEXT,
    payload TEXT NOT NULL,
    extras TEXT,
    principal TEXT
  ) STRICT;

  CREATE TABLE world_claims (
    fingerprint TEXT PRIMARY KEY,
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX world_claims_by_age ON world_claims (at);

  CREATE TABLE world_namespaces (
    name TEXT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    token_hash TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    is_private INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE world_settings (
    no INTEGER PRIMARY KEY CHECK (no = 1),
    settings TEXT NOT NULL
  ) STRICT;

  CREATE TABLE world_credentials (
    namespace TEXT NOT NULL,
    connector TEXT NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (namespace, connector)
  ) STRICT, WITHOUT ROWID;
  `,
  // Objects live from the newest event that names them, by the retention of the moment. Which events named them again,
  // and in generation A at all, was not noted before this step: any event of the topic may have.
  `
  UPDATE objects SET
    state = 'committed',
    committed_at = max(
      coalesce(committed_at, created_at),
      coalesce((
        SELECT stored_at FROM events
        WHERE topic_no = (SELECT no FROM topics WHERE id = objects.topic_id)
        ORDER BY seq DESC LIMIT 1
      ), 0)
    )
  WHERE state = 'committed' OR (state = 'uploaded' AND generation = 'a');
  DROP INDEX objects_by_state;
  ALTER TABLE objects DROP COLUMN expires_at;
  `,
];

/**
 * Brings a database to the newest step, one transaction per step.
 * @throws HubError DATA_FOLDER_UNUSABLE when a newer hub has written it
 */
export function migrate(database: DatabaseSync): void {
  const row = database.prepare("PRAGMA user_version").get();
  const version = Number(row?.["user_version"] ?? 0);
  if (version > MIGRATIONS.length) {
    throw new HubError(
      "DATA_FOLDER_UNUSABLE",
      `The data folder was written by a newer hub (schema ${version}, this hub knows ${MIGRATIONS.length})`,
    );
  }
  for (const [index, step] of MIGRATIONS.entries()) {
    if (index < version) continue;
    database.exec(`BEGIN IMMEDIATE; ${step}; PRAGMA user_version = ${index + 1}; COMMIT`);
  }
}
