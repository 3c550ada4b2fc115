/**
 * What the hub needs of a store, whatever engine keeps it. Times are epoch milliseconds given by the caller, ids are
 * made by the caller, secrets arrive hashed: an engine has no clock, no randomness and no secrets of its own.
 *
 * Every method that changes something resolves only after the change is on disk.
 */

import type { DeviceStore } from "./device-port.ts";
import type { WebhookStore } from "./webhook-port.ts";
import type { WorldStore } from "./world-port.ts";

export type Action = "read" | "write";

/** The wire generation a code or credential is meant for; every credential works on both data planes. */
export type Generation = "a" | "b";

export interface Topic {
  /** Bare UUID, lower case. */
  readonly id: string;
  readonly name: string;
  readonly displayName: string | null;
  readonly retentionS: number;
  readonly createdAt: number;
}

export interface NewTopic {
  readonly id: string;
  readonly name: string;
  readonly displayName: string | null;
  readonly retentionS: number;
  readonly createdAt: number;
}

/** Where a topic's numbering stands. Sequence numbers start at 1; 0 stands for "before the first". */
export interface TopicBounds {
  /** Newest sequence number ever given out, 0 when none was. */
  readonly lastSeq: number;
  /** Newest sequence number removed by retention, 0 when none was. */
  readonly deletedThroughSeq: number;
  /** Oldest retained event, absent when the topic is empty. */
  readonly oldest?: { readonly seq: number; readonly eventId: string };
}

export interface TopicStore {
  /** @throws HubError CONFLICT when the name is taken. */
  create(topic: NewTopic): Promise<Topic>;
  get(id: string): Promise<Topic | undefined>;
  byName(name: string): Promise<Topic | undefined>;
  list(): Promise<readonly Topic[]>;
  setRetention(id: string, retentionS: number): Promise<boolean>;
}

/** An event as published, before the store numbers it. JSON values are text, kept byte for byte as they came. */
export interface NewEvent {
  /** Bare UUID. */
  readonly eventId: string;
  readonly type: string;
  readonly payloadJson: string | null;
  /** Bare payload object id; the object is committed in the same transaction. */
  readonly objectId: string | null;
  readonly correlationId: string | null;
  /** Topic id as a bare UUID where the publisher gave a topic id, else the text given. */
  readonly replyTopic: string | null;
  readonly metadataJson: string | null;
}

export interface StoredEvent extends NewEvent {
  readonly seq: number;
  readonly storedAt: number;
  readonly producer: string;
}

export interface IdempotencyClaim {
  readonly key: string;
  /** SHA-256 of what was published, to tell a replay from a different request under the same key. */
  readonly fingerprint: string;
}

export interface AppendRequest {
  readonly topicId: string;
  /** Script id of the producer; also the scope of the idempotency key. */
  readonly producer: string;
  readonly storedAt: number;
  readonly event: NewEvent;
  /**
   * Bare ids of payload objects named inside the payload: those uploaded to the topic are committed, again if they
   * were already; others are ignored.
   */
  readonly mentionedObjectIds: readonly string[];
  readonly idempotency?: IdempotencyClaim;
}

export interface AppendResult {
  readonly eventId: string;
  readonly seq: number;
  readonly storedAt: number;
  /** The idempotency key was known: nothing was written, the ids are those of the first publish. */
  readonly replayed: boolean;
}

export interface PageQuery {
  readonly topicId: string;
  /** Exclusive lower bound; 0 reads from the oldest retained. */
  readonly afterSeq?: number;
  /** Exclusive upper bound. */
  readonly beforeSeq?: number;
  readonly order: "asc" | "desc";
  readonly limit: number;
  readonly type?: string;
  /** Leave out events of this script. */
  readonly excludeProducer?: string;
  /** Ends the page once its payloads and metadata have this many characters; the first event is always served. */
  readonly maxBytes?: number;
}

export interface EventPage {
  readonly events: readonly StoredEvent[];
  /** The page ended because of `maxBytes`: there are more events. */
  readonly truncated: boolean;
}

/** The newest event of a topic in one commit, as stream hints tell it. */
export interface CommitNotice {
  readonly topicId: string;
  readonly newest: HintEvent;
  /** The newest event whose producer is another than that of `newest`, for listeners that exclude their own. */
  readonly newestByOther?: HintEvent;
}

export interface HintEvent {
  readonly seq: number;
  readonly eventId: string;
  readonly type: string;
  readonly payloadKind: "inline" | "object_ref";
  readonly storedAt: number;
  readonly producer: string;
}

export interface EventStore {
  /**
   * Stores one event; concurrent calls share a commit.
   * @throws HubError NOT_FOUND (topic, or payload object without bytes), IDEMPOTENCY_CONFLICT, STORAGE_FULL, UNAVAILABLE
   */
  append(request: AppendRequest): Promise<AppendResult>;
  /**
   * Stores all of the requests, which share a topic and a producer, in one commit, or none of them. Errors as for
   * `append`.
   * @param whole what claims the key of all of them together; each may claim one of its own besides
   */
  appendAll(requests: readonly AppendRequest[], whole?: IdempotencyClaim): Promise<readonly AppendResult[]>;
  page(query: PageQuery): Promise<EventPage>;
  /**
   * Sequence numbers `startSeq` to `endSeq`, both inclusive, ascending.
   * @throws HubError PAYLOAD_TOO_LARGE when the range holds more than `maxBytes`
   */
  range(topicId: string, startSeq: number, endSeq: number, maxBytes: number): Promise<readonly StoredEvent[]>;
  byId(topicId: string, eventId: string): Promise<StoredEvent | undefined>;
  bounds(topicId: string): Promise<TopicBounds>;
  /** The newest event after `afterSeq`, not by `excludeProducer`: what a listener that resumes there has missed. */
  newestAfter(topicId: string, afterSeq: number, excludeProducer?: string): Promise<HintEvent | undefined>;
  /** Called once per topic and commit, after the commit. Returns the way to stop it. */
  onCommit(listener: (notice: CommitNotice) => void): () => void;
  /**
   * Deletes events older than their topic's retention, and idempotency keys older than theirs, at most `maxRows`.
   * @returns how many rows went; fewer than `maxRows` means nothing is left to do.
   */
  sweep(now: number, maxRows: number): Promise<number>;
}

export interface Script {
  /** `scr_<uuid>`. */
  readonly id: string;
  readonly name: string;
  readonly description: string | null;
  readonly createdAt: number;
  readonly disabledAt: number | null;
}

export interface Grant {
  readonly id: string;
  readonly scriptId: string;
  readonly topicId: string;
  readonly action: Action;
  readonly createdAt: number;
}

/** What a script may do at this moment. */
export interface Access {
  readonly script: Script;
  /** Topic id to the actions granted on it. */
  readonly grants: ReadonlyMap<string, ReadonlySet<Action>>;
  /** Ids of the credentials that are neither revoked nor unknown; expiry of the secret does not matter here. */
  readonly credentials: ReadonlySet<string>;
}

export interface ScriptStore {
  /** Stores a script together with its first grants. */
  create(script: Script, grants: readonly Grant[]): Promise<Script>;
  get(id: string): Promise<Script | undefined>;
  list(): Promise<readonly Script[]>;
  setDisabled(id: string, disabledAt: number | null): Promise<boolean>;
  /** Idempotent on (script, topic, action): an existing grant is returned as it is. */
  grant(grant: Grant): Promise<Grant>;
  revokeGrant(grantId: string): Promise<boolean>;
  grants(scriptId?: string): Promise<readonly Grant[]>;
  access(scriptId: string): Promise<Access | undefined>;
  /** Called after anything that changes what a script may do. Returns the way to stop it. */
  onAccessChange(listener: (scriptId: string) => void): () => void;
}

export interface Credential {
  /** `crd_<uuid>`, the generation B client id. */
  readonly id: string;
  readonly scriptId: string;
  readonly generation: Generation;
  /** SHA-256 of the client secret, base64url. */
  readonly secretHash: string;
  readonly createdAt: number;
  readonly expiresAt: number;
  readonly revokedAt: number | null;
}

export interface NewCredential {
  readonly id: string;
  readonly generation: Generation;
  readonly secretHash: string;
  readonly createdAt: number;
  readonly expiresAt: number;
}

export interface NewRefreshToken {
  readonly hash: string;
  readonly createdAt: number;
  readonly expiresAt: number;
}

export type RefreshOutcome =
  | { readonly outcome: "rotated"; readonly credential: Credential }
  /** Spent before: `usedAt` tells when, `familyId` which chain of tokens it belongs to. */
  | { readonly outcome: "reused"; readonly familyId: string; readonly usedAt: number }
  | { readonly outcome: "expired" }
  | { readonly outcome: "unknown" };

export interface CredentialStore {
  create(scriptId: string, credential: NewCredential): Promise<Credential>;
  get(credentialId: string): Promise<Credential | undefined>;
  /** Every credential of a script that is not revoked, expired ones included. */
  ofScript(scriptId: string): Promise<readonly Credential[]>;
  /** Puts a new secret in the place of `oldHash`, and ends the refresh tokens got with the old one. */
  replaceSecret(credentialId: string, oldHash: string, newHash: string, expiresAt: number): Promise<boolean>;
  revoke(credentialId: string, now: number): Promise<boolean>;
  /** The credential a refresh token was got with, whether the token is spent or not. */
  byRefreshToken(hash: string): Promise<Credential | undefined>;
  /** Starts a chain of refresh tokens. */
  startRefreshFamily(credentialId: string, familyId: string, token: NewRefreshToken): Promise<void>;
  /** Spends `hash` and puts `next` in its place, in one step: of several callers one gets `rotated`. */
  rotateRefreshToken(hash: string, now: number, next: NewRefreshToken): Promise<RefreshOutcome>;
  revokeRefreshFamily(familyId: string): Promise<void>;
}

export interface NewActivationCode {
  readonly hash: string;
  readonly scriptId: string;
  readonly generation: Generation;
  readonly createdAt: number;
  readonly expiresAt: number;
}

export type ActivationOutcome =
  | { readonly outcome: "redeemed"; readonly scriptId: string; readonly grants: readonly Grant[] }
  | { readonly outcome: "unknown" }
  | { readonly outcome: "expired" };

export interface NewInviteCode {
  readonly hash: string;
  readonly topicId: string;
  readonly action: Action;
  readonly createdAt: number;
  readonly expiresAt: number;
}

/** An invite code as kept: everything but the code. */
export interface InviteCode extends Omit<NewInviteCode, "hash"> {
  readonly consumedAt: number | null;
}

export type InviteOutcome =
  | { readonly outcome: "redeemed"; readonly grant: Grant }
  | { readonly outcome: "spent" }
  | { readonly outcome: "unknown" }
  | { readonly outcome: "expired" };

export interface CodeStore {
  createActivationCode(code: NewActivationCode): Promise<void>;
  /** Consumes the code and stores the credential it buys, in one step: of several callers one gets `redeemed`. */
  redeemActivationCode(hash: string, now: number, credential: NewCredential): Promise<ActivationOutcome>;
  createInviteCode(code: NewInviteCode): Promise<void>;
  /** Those of a topic, newest first. */
  inviteCodes(topicId: string): Promise<readonly InviteCode[]>;
  /** Consumes the code and stores the grant it buys, in one step. */
  redeemInviteCode(hash: string, now: number, scriptId: string, grantId: string): Promise<InviteOutcome>;
}

/** `pending`: no bytes yet; `uploaded`: bytes on disk; `committed`: named by a published event, the newest counts. */
export type ObjectState = "pending" | "uploaded" | "committed";

export interface PayloadObject {
  /** Bare UUID. */
  readonly id: string;
  readonly topicId: string;
  readonly producer: string;
  readonly generation: Generation;
  readonly contentType: string | null;
  readonly filename: string | null;
  readonly sizeBytes: number;
  /** Hex, lower case, when the uploader announced one. */
  readonly sha256: string | null;
  readonly state: ObjectState;
  readonly createdAt: number;
}

export interface ObjectStore {
  create(object: PayloadObject): Promise<PayloadObject>;
  get(id: string): Promise<PayloadObject | undefined>;
  /** Pending to uploaded; false when it was not pending. */
  markUploaded(id: string): Promise<boolean>;
  /**
   * Removes objects that may go, at most `limit`: committed, or generation A's announced, longer ago than their topic's
   * retention; generation B's that are not committed and were announced before `unreferencedBefore`. The caller removes
   * their bytes afterwards.
   * @returns their ids
   */
  removeExpired(now: number, unreferencedBefore: number, limit: number): Promise<readonly string[]>;
}

export interface StoreHealth {
  readonly writable: boolean;
  /** Why not, when it is not. */
  readonly reason?: string;
}

export interface Store {
  readonly topics: TopicStore;
  readonly events: EventStore;
  readonly scripts: ScriptStore;
  readonly credentials: CredentialStore;
  readonly codes: CodeStore;
  readonly objects: ObjectStore;
  readonly webhooks: WebhookStore;
  readonly devices: DeviceStore;
  readonly world: WorldStore;
  health(): Promise<StoreHealth>;
  /** Commits what was accepted, then closes. */
  close(): Promise<void>;
}
