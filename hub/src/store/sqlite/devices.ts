/** Clients and access requests in SQLite. */
import type { DatabaseSync } from "node:sqlite";
import type {
  AccessRequest,
  Approval,
  ApprovedClient,
  DeviceStore,
  NewAccessRequest,
  PollOutcome,
  PublicClient,
} from "../device-port.ts";
import type { Action } from "../port.ts";
import type { SqliteCredentials } from "./credentials.ts";
import { isConstraintViolation, storeError, transaction } from "./database.ts";
import type { Row } from "./rows.ts";
import { integer, integerOrNull, oneOf, text, textOrNull } from "./rows.ts";
import type { SqliteScripts } from "./scripts.ts";
import type { SqliteTopics } from "./topics.ts";

/** A poll so much before its time is taken for a timer that fired early. */
const POLL_TOLERANCE_MS = 500;
const OPEN = "state = 'pending' AND expires_at > ?";
const SELECT_REQUEST = `SELECT access_requests.*, oauth_clients.name AS client_name FROM access_requests
  JOIN oauth_clients ON oauth_clients.id = access_requests.client_id`;

export class SqliteDevices implements DeviceStore {
  readonly #database: DatabaseSync;
  readonly #topics: SqliteTopics;
  readonly #scripts: SqliteScripts;
  readonly #credentials: SqliteCredentials;

  constructor(
    database: DatabaseSync,
    rooms: { topics: SqliteTopics; scripts: SqliteScripts; credentials: SqliteCredentials },
  ) {
    this.#database = database;
    this.#topics = rooms.topics;
    this.#scripts = rooms.scripts;
    this.#credentials = rooms.credentials;
  }

  async createClient(client: PublicClient, maxClients: number, forgetBefore: number): Promise<boolean> {
    const isFull = () => this.#count("SELECT count(*) AS n FROM oauth_clients") >= maxClients;
    return transaction(this.#database, () => {
      if (isFull()) {
        this.#run(
          `DELETE FROM oauth_clients WHERE created_at < ? AND id NOT IN (SELECT client_id FROM approved_clients)
             AND id NOT IN (SELECT client_id FROM access_requests)`,
          forgetBefore,
        );
      }
      if (isFull()) return false;
      this.#database
        .prepare("INSERT INTO oauth_clients (id, name, created_at) VALUES (?, ?, ?)")
        .run(client.id, client.name, client.createdAt);
      return true;
    });
  }

  async client(id: string): Promise<PublicClient | undefined> {
    const row = this.#database.prepare("SELECT * FROM oauth_clients WHERE id = ?").get(id);
    return row === undefined
      ? undefined
      : { id: text(row, "id"), name: text(row, "name"), createdAt: integer(row, "created_at") };
  }

  async createRequest(
    request: NewAccessRequest,
    forgetBefore: number,
    maxOpen: number,
  ): Promise<"created" | "taken" | "full"> {
    return transaction(this.#database, () => {
      this.#database.prepare("DELETE FROM access_requests WHERE expires_at < ?").run(forgetBefore);
      const open = this.#count(`SELECT count(*) AS n FROM access_requests WHERE ${OPEN}`, request.createdAt);
      if (open >= maxOpen) return "full";
      try {
        this.#insertRequest(request);
        return "created";
      } catch (error) {
        if (isConstraintViolation(error)) return "taken";
        throw error;
      }
    });
  }

  async openRequests(now: number): Promise<readonly AccessRequest[]> {
    return this.#database
      .prepare(`${SELECT_REQUEST} WHERE ${OPEN} ORDER BY access_requests.created_at`)
      .all(now)
      .map(toRequest);
  }

  async openRequest(userCode: string, now: number): Promise<AccessRequest | undefined> {
    const row = this.#database.prepare(`${SELECT_REQUEST} WHERE user_code = ? AND ${OPEN}`).get(userCode, now);
    return row === undefined ? undefined : toRequest(row);
  }

  async approve(userCode: string, now: number, approval: Approval): Promise<boolean> {
    const approved = transaction(this.#database, () => {
      const row = this.#database
        .prepare(
          `UPDATE access_requests SET state = 'approved', credential_id = ?, granted = ?
           WHERE user_code = ? AND ${OPEN} RETURNING client_id`,
        )
        .get(approval.credential.id, approval.grantedJson, userCode, now);
      if (row === undefined) return false;
      for (const topic of approval.topics) this.#topics.insert(topic);
      if (approval.script !== undefined) this.#scripts.insertScript(approval.script);
      for (const grant of approval.grants) this.#scripts.insertGrant(grant);
      this.#credentials.insert(approval.scriptId, approval.credential);
      this.#database
        .prepare("INSERT INTO approved_clients (credential_id, client_id, actions) VALUES (?, ?, ?)")
        .run(approval.credential.id, text(row, "client_id"), approval.actions.join(" "));
      return true;
    });
    if (!approved) return false;
    for (const topic of approval.topics) this.#topics.load(topic.id);
    this.#scripts.accessChanged(approval.scriptId);
    return true;
  }

  async deny(userCode: string, now: number): Promise<boolean> {
    const { changes } = this.#run(
      `UPDATE access_requests SET state = 'denied' WHERE user_code = ? AND ${OPEN}`,
      userCode,
      now,
    );
    return changes > 0;
  }

  async poll(
    deviceHash: string,
    clientId: string,
    now: number,
    slowDownS: number,
    maxIntervalS: number,
  ): Promise<PollOutcome> {
    return transaction(this.#database, (): PollOutcome => {
      const row = this.#database
        .prepare("SELECT * FROM access_requests WHERE device_hash = ? AND client_id = ?")
        .get(deviceHash, clientId);
      if (row === undefined) return { outcome: "unknown" };
      switch (oneOf(row, "state", ["pending", "approved", "denied", "spent"])) {
        case "denied":
          return { outcome: "denied" };
        case "spent":
          return { outcome: "unknown" };
        case "approved":
          return this.#spend(row, deviceHash, now);
        case "pending":
          return this.#stillPending(row, deviceHash, now, slowDownS, maxIntervalS);
      }
    });
  }

  async approvedClient(credentialId: string): Promise<ApprovedClient | undefined> {
    return this.#approved(credentialId);
  }

  #approved(credentialId: string): ApprovedClient | undefined {
    const row = this.#database.prepare("SELECT * FROM approved_clients WHERE credential_id = ?").get(credentialId);
    if (row === undefined) return undefined;
    const credential = this.#credentials.find(credentialId);
    if (credential === undefined || credential.revokedAt !== null) return undefined;
    const actions = text(row, "actions").split(" ");
    const known = (["read", "write"] satisfies Action[]).filter((action) => actions.includes(action));
    return { credential, clientId: text(row, "client_id"), actions: known };
  }

  #spend(row: Row, deviceHash: string, now: number): PollOutcome {
    if (integer(row, "expires_at") <= now) return { outcome: "expired" };
    const client = this.#approved(text(row, "credential_id"));
    if (client === undefined) return { outcome: "denied" };
    this.#run("UPDATE access_requests SET state = 'spent' WHERE device_hash = ?", deviceHash);
    return { outcome: "approved", client, grantedJson: textOrNull(row, "granted") };
  }

  #stillPending(row: Row, deviceHash: string, now: number, slowDownS: number, maxIntervalS: number): PollOutcome {
    if (integer(row, "expires_at") <= now) return { outcome: "expired" };
    const intervalS = integer(row, "interval_s");
    const lastPollAt = integerOrNull(row, "last_poll_at");
    const early = lastPollAt !== null && now - lastPollAt < intervalS * 1000 - POLL_TOLERANCE_MS;
    this.#run(
      "UPDATE access_requests SET last_poll_at = ?, interval_s = ? WHERE device_hash = ?",
      now,
      early ? Math.min(maxIntervalS, intervalS + slowDownS) : intervalS,
      deviceHash,
    );
    return { outcome: early ? "slow_down" : "pending" };
  }

  #insertRequest(request: NewAccessRequest): void {
    this.#database
      .prepare(
        `INSERT INTO access_requests (device_hash, user_code, client_id, client_hint, wanted, state, created_at,
           expires_at, interval_s) VALUES (?, ?, ?, ?, ?, 'pending', ?, ?, ?)`,
      )
      .run(
        request.deviceHash,
        request.userCode,
        request.clientId,
        request.clientHint,
        request.wantedJson,
        request.createdAt,
        request.expiresAt,
        request.intervalS,
      );
  }

  #count(sql: string, ...values: readonly number[]): number {
    return integer(this.#database.prepare(sql).get(...values) ?? {}, "n");
  }

  #run(sql: string, ...values: readonly (string | number)[]): { readonly changes: number } {
    try {
      return { changes: Number(this.#database.prepare(sql).run(...values).changes) };
    } catch (error) {
      throw storeError(error);
    }
  }
}

function toRequest(row: Row): AccessRequest {
  return {
    deviceHash: text(row, "device_hash"),
    userCode: text(row, "user_code"),
    clientId: text(row, "client_id"),
    clientName: text(row, "client_name"),
    clientHint: textOrNull(row, "client_hint"),
    wantedJson: text(row, "wanted"),
    createdAt: integer(row, "created_at"),
    expiresAt: integer(row, "expires_at"),
    intervalS: integer(row, "interval_s"),
  };
}
