/** What the hub needs of a store for clients that ask for access and wait for the operator (device and topology flows). */
import type { Action, Credential, Grant, NewCredential, NewTopic, Script } from "./port.ts";

export interface PublicClient {
  /** `dcr_<uuid>`. */
  readonly id: string;
  readonly name: string;
  readonly createdAt: number;
}

export interface NewAccessRequest {
  /** SHA-256 of the device code, base64url. */
  readonly deviceHash: string;
  /** What a person compares; unique among open requests. */
  readonly userCode: string;
  readonly clientId: string;
  readonly clientHint: string | null;
  /** What is asked for, as JSON; opaque to the store. */
  readonly wantedJson: string;
  readonly createdAt: number;
  readonly expiresAt: number;
  /** Least time between two polls. */
  readonly intervalS: number;
}

export interface AccessRequest extends NewAccessRequest {
  readonly clientName: string;
}

/** What an approval makes, all in one step. */
export interface Approval {
  readonly topics: readonly NewTopic[];
  /** Absent when the client joins a script that exists. */
  readonly script?: Script;
  readonly scriptId: string;
  readonly grants: readonly Grant[];
  readonly credential: NewCredential;
  /** Which of the script's grants the client's tokens carry. */
  readonly actions: readonly Action[];
  /** What the token answer tells besides the tokens, as JSON; opaque to the store. */
  readonly grantedJson: string | null;
}

/** A credential that came out of an approval. No secret of it was ever told: its client has refresh tokens only. */
export interface ApprovedClient {
  readonly credential: Credential;
  readonly clientId: string;
  readonly actions: readonly Action[];
}

export type PollOutcome =
  | { readonly outcome: "pending" | "slow_down" | "denied" | "expired" | "unknown" }
  /** Told once; the request is spent by it. */
  | { readonly outcome: "approved"; readonly client: ApprovedClient; readonly grantedJson: string | null };

export interface DeviceStore {
  /**
   * When there are `maxClients`, forgets those made before `forgetBefore` that nothing came of.
   * @returns false when there are `maxClients` all the same
   */
  createClient(client: PublicClient, maxClients: number, forgetBefore: number): Promise<boolean>;
  client(id: string): Promise<PublicClient | undefined>;
  /**
   * Stores a request, and forgets those that ended before `forgetBefore`.
   * @returns `taken` when the user code is in use, `full` when `maxOpen` requests are open
   */
  createRequest(
    request: NewAccessRequest,
    forgetBefore: number,
    maxOpen: number,
  ): Promise<"created" | "taken" | "full">;
  openRequests(now: number): Promise<readonly AccessRequest[]>;
  openRequest(userCode: string, now: number): Promise<AccessRequest | undefined>;
  /**
   * @returns false when the request is not open any more; then nothing was made
   * @throws HubError CONFLICT when a topic's name is taken
   */
  approve(userCode: string, now: number, approval: Approval): Promise<boolean>;
  deny(userCode: string, now: number): Promise<boolean>;
  /** A client asks whether it may; asking too early lengthens the interval by `slowDownS`, up to `maxIntervalS`. */
  poll(
    deviceHash: string,
    clientId: string,
    now: number,
    slowDownS: number,
    maxIntervalS: number,
  ): Promise<PollOutcome>;
  /** What is known of a credential that an approval made. */
  approvedClient(credentialId: string): Promise<ApprovedClient | undefined>;
}
