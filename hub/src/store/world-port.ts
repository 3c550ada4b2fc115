/**
 * What the world engine needs of a store: an append-only log of events in one total order, and the few documents beside
 * it. The rules of `port.ts` hold here too: what changes something resolves only when it is on disk.
 */

/** An event as logged. Sequence numbers begin at 1, and the log numbers all events of the world in one order. */
export interface WorldLogEntry {
  readonly seq: number;
  /** When it arrived, epoch microseconds; greater than that of every earlier event. */
  readonly at: number;
  readonly eventId: string;
  /** Absent where the payload names no entity. */
  readonly entityId: string | null;
  /** The event about the same entity before this one, 0 where there is none: an entity's history is a chain. */
  readonly previous: number;
  readonly stream: string;
  readonly source: string;
  /** As the publisher gave it, epoch milliseconds; never used for state. */
  readonly timestamp: number;
  readonly key: string | null;
  readonly schema: string | null;
  /** JSON in canonical form. */
  readonly payload: string;
  /** JSON of what this hub's own extensions said, absent in most events. */
  readonly extras: string | null;
  /** The namespace whose token published it; absent where no token was needed. */
  readonly principal: string | null;
}

/** A repetition of the same event is known by this. */
export interface WorldClaim {
  readonly fingerprint: string;
  readonly seq: number;
  readonly at: number;
}

export interface WorldLogBounds {
  /** Newest sequence number ever given out, 0 when none was. */
  readonly lastSeq: number;
  /** Its instant. */
  readonly lastAt: number;
  /** Newest sequence number that was dropped, 0 when none was. */
  readonly droppedThrough: number;
  /** Its instant. */
  readonly droppedAt: number;
}

export interface WorldLog {
  /** Random name of this log: a snapshot of another log's world says nothing about this one. */
  readonly id: string;
  bounds(): Promise<WorldLogBounds>;
  /**
   * Stores all entries in one commit, or none of them. Their numbers follow on the last one.
   * @throws HubError STORAGE_FULL, UNAVAILABLE
   */
  append(entries: readonly WorldLogEntry[], claims: readonly WorldClaim[]): Promise<void>;
  /** The event that was stored under a fingerprint. */
  claimed(fingerprint: string): Promise<Pick<WorldLogEntry, "seq" | "eventId"> | undefined>;
  /** Ascending, after `seq`. */
  after(seq: number, limit: number): Promise<readonly WorldLogEntry[]>;
  /** Follows an entity's chain back in time, from `seq` on, as long as entries arrived at or after `sinceAt`. */
  chain(seq: number, sinceAt: number, limit: number): Promise<readonly WorldLogEntry[]>;
  /**
   * Drops entries that arrived before `beforeAt`, at most `limit` and none after `throughSeq`, and claims older than
   * `claimsBeforeAt`.
   * @returns how many entries went
   */
  drop(beforeAt: number, throughSeq: number, claimsBeforeAt: number, limit: number): Promise<number>;
  /**
   * Proves that events of so many bytes could be stored now, and stores none.
   * @throws HubError STORAGE_FULL, UNAVAILABLE
   */
  probe(bytes: number): Promise<void>;
}

export interface WorldNamespace {
  readonly name: string;
  /** `ns_` and eight of 0-9, a-z. */
  readonly id: string;
  /** SHA-256, base64url. */
  readonly tokenHash: string;
  /** Epoch milliseconds. */
  readonly createdAt: number;
  /** Whether reading needs its token too. */
  readonly isPrivate: boolean;
}

export interface WorldRegistry {
  /** In the order in which they were made. */
  namespaces(): Promise<readonly WorldNamespace[]>;
  /** Makes a namespace, or puts it in the place of the one of that name. */
  putNamespace(namespace: WorldNamespace): Promise<void>;
  removeNamespace(name: string): Promise<void>;
  /** The runtime configuration's JSON; absent until it is set. */
  settings(): Promise<string | undefined>;
  putSettings(json: string): Promise<void>;
  /** Names of the connectors for which a namespace has stored a credential. */
  connectorsOf(namespace: string): Promise<readonly string[]>;
  putCredential(namespace: string, connector: string, sealed: Uint8Array): Promise<void>;
  removeCredential(namespace: string, connector: string): Promise<boolean>;
  removeCredentialsOf(namespace: string): Promise<void>;
}

export interface WorldStore {
  readonly log: WorldLog;
  readonly registry: WorldRegistry;
}
