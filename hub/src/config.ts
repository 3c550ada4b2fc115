/** What can be set on a hub, its defaults, and the check that the values make sense. */
import { HubError } from "./errors.ts";

export interface HubLimits {
  /** Whole request body on the data plane. */
  readonly maxBodyBytes: number;
  /** Inline payload in generation A. */
  readonly maxInlinePayloadABytes: number;
  /** Inline payload in generation B (wire spec B7), metadata included. */
  readonly maxInlinePayloadBBytes: number;
  readonly maxBatchEvents: number;
  /** Request line and headers together; beyond it 431. */
  readonly maxHeaderBytes: number;
  /** `/auth/token` and `/oauth/token`, per script. */
  readonly tokensPerHour: number;
  /** `/auth/refresh`, per script. */
  readonly refreshesPerHour: number;
  /** Failed attempts with a secret or code, per remote address. */
  readonly authAttemptsPerMinute: number;
  /** Registrations of clients and requests for access (B3, B4, B5), per remote address. */
  readonly accessRequestsPerHour: number;
  /** Data-plane requests, per credential; bursts of twice that pass. */
  readonly requestsPerSecond: number;
  /** A stream listener with more than this unsent is cut off. */
  readonly maxStreamPendingBytes: number;
  readonly maxStreams: number;
  /** One payload object. */
  readonly maxObjectBytes: number;
}

export interface HubTtls {
  readonly accessTokenAMs: number;
  readonly accessTokenBMs: number;
  readonly refreshTokenMs: number;
  readonly clientSecretMs: number;
  readonly idempotencyKeyMs: number;
  /** Signed upload URLs of payload objects. */
  readonly uploadUrlMs: number;
  /** Signed download URLs of payload objects. */
  readonly downloadUrlMs: number;
  /** Generation B objects that no published event names are removed after this. */
  readonly unreferencedObjectMs: number;
}

export interface HubWebhooks {
  /** One delivery. */
  readonly timeoutMs: number;
  /** Wait after the first failure; it doubles with each further one, up to five minutes. */
  readonly retryBaseMs: number;
  readonly maxAttempts: number;
  /** Whether receivers may live on this machine and in private networks. */
  readonly allowPrivateAddresses: boolean;
}

export interface HubFlux {
  /** Whether writing needs a namespace's token. Left alone: yes, unless the hub listens on this machine only. */
  readonly auth: boolean;
  /** Without auth: whether web pages of any site may call. With auth they always may, as the Flux API has it. */
  readonly allowAnyOrigin: boolean;
  /** Events are kept so long; the state they came to stays. */
  readonly eventRetentionMs: number;
  /** Longest time between snapshots while something changes. */
  readonly snapshotEveryMs: number;
  /** Events after which a snapshot is due before that. */
  readonly snapshotEveryEvents: number;
  readonly snapshotsKept: number;
  /** Entities that one request may delete. */
  readonly maxBatchDelete: number;
  /** A watcher with more than this unsent is brought up to date later instead. */
  readonly maxWatcherPendingBytes: number;
  readonly maxWatchers: number;
  /** A watcher that does not answer a ping for so long is gone. */
  readonly watcherTimeoutMs: number;
}

export interface HubConfig {
  readonly host: string;
  readonly port: number;
  readonly limits: HubLimits;
  readonly ttls: HubTtls;
  readonly webhooks: HubWebhooks;
  readonly flux: HubFlux;
  readonly streamKeepAliveMs: number;
  readonly retentionSweepMs: number;
  /** Transfers of payload objects in which nothing moves for so long are cut off. */
  readonly objectIdleMs: number;
  readonly defaultRetentionS: number;
  /** Believe `X-Forwarded-For` for rate limits: only behind a proxy that sets it. */
  readonly trustForwardedFor: boolean;
  /** Base of the URLs the hub hands out, when it is reached by another name than the one it listens on. */
  readonly publicUrl: string | undefined;
}

export interface HubConfigInput {
  readonly host?: string;
  readonly port?: number;
  readonly limits?: Partial<HubLimits>;
  readonly ttls?: Partial<HubTtls>;
  readonly webhooks?: Partial<HubWebhooks>;
  readonly flux?: Partial<HubFlux>;
  readonly streamKeepAliveMs?: number;
  readonly retentionSweepMs?: number;
  readonly objectIdleMs?: number;
  readonly defaultRetentionS?: number;
  readonly trustForwardedFor?: boolean;
  readonly publicUrl?: string;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const MIB = 1024 * 1024;

export const DEFAULT_LIMITS: HubLimits = {
  // A batch may carry more than one event, but no single request may make the hub hold more than this.
  maxBodyBytes: 16 * MIB,
  maxInlinePayloadABytes: 10 * MIB,
  maxInlinePayloadBBytes: 256 * 1024,
  maxBatchEvents: 1000,
  maxHeaderBytes: 16 * 1024,
  tokensPerHour: 60,
  refreshesPerHour: 120,
  authAttemptsPerMinute: 120,
  accessRequestsPerHour: 120,
  requestsPerSecond: 20_000,
  maxStreamPendingBytes: 64 * 1024,
  maxStreams: 50_000,
  maxObjectBytes: 1024 * MIB,
};

export const DEFAULT_TTLS: HubTtls = {
  accessTokenAMs: HOUR_MS,
  accessTokenBMs: 600_000,
  refreshTokenMs: DAY_MS,
  clientSecretMs: 90 * DAY_MS,
  idempotencyKeyMs: 8 * DAY_MS,
  uploadUrlMs: HOUR_MS,
  downloadUrlMs: HOUR_MS,
  unreferencedObjectMs: DAY_MS,
};

export const DEFAULT_WEBHOOKS: HubWebhooks = {
  timeoutMs: 10_000,
  retryBaseMs: 1000,
  maxAttempts: 10,
  allowPrivateAddresses: true,
};

export const DEFAULT_FLUX: Omit<HubFlux, "auth"> = {
  allowAnyOrigin: false,
  eventRetentionMs: 30 * DAY_MS,
  snapshotEveryMs: 300_000,
  snapshotEveryEvents: 1_000_000,
  snapshotsKept: 3,
  maxBatchDelete: 10_000,
  maxWatcherPendingBytes: 1024 * 1024,
  maxWatchers: 20_000,
  watcherTimeoutMs: 60_000,
};

/** Whether an address to listen on is this machine's own. */
export function isLoopback(host: string): boolean {
  return ["127.0.0.1", "::1", "localhost"].includes(host);
}

/**
 * Fills in the defaults.
 * @throws HubError CONFIG naming the setting that is out of range
 */
export function resolveConfig(input: HubConfigInput): HubConfig {
  const config: HubConfig = {
    host: input.host ?? "127.0.0.1",
    port: input.port ?? 8787,
    limits: { ...DEFAULT_LIMITS, ...input.limits },
    ttls: { ...DEFAULT_TTLS, ...input.ttls },
    webhooks: { ...DEFAULT_WEBHOOKS, ...input.webhooks },
    flux: { auth: !isLoopback(input.host ?? "127.0.0.1"), ...DEFAULT_FLUX, ...input.flux },
    streamKeepAliveMs: input.streamKeepAliveMs ?? 30_000,
    retentionSweepMs: input.retentionSweepMs ?? 30_000,
    objectIdleMs: input.objectIdleMs ?? 60_000,
    defaultRetentionS: input.defaultRetentionS ?? 30 * 24 * 3600,
    trustForwardedFor: input.trustForwardedFor ?? false,
    publicUrl: input.publicUrl?.replace(/\/+$/, ""),
  };
  if (!Number.isInteger(config.port) || config.port < 0 || config.port > 65_535) {
    throw new HubError("CONFIG", `port must be a whole number from 0 to 65535, not ${config.port}`);
  }
  const { auth: _auth, allowAnyOrigin: _anyOrigin, ...fluxNumbers } = config.flux;
  const positive: Record<string, number> = {
    ...fluxNumbers,
    ...config.limits,
    ...config.ttls,
    webhookTimeoutMs: config.webhooks.timeoutMs,
    webhookRetryBaseMs: config.webhooks.retryBaseMs,
    webhookMaxAttempts: config.webhooks.maxAttempts,
    streamKeepAliveMs: config.streamKeepAliveMs,
    retentionSweepMs: config.retentionSweepMs,
    objectIdleMs: config.objectIdleMs,
    defaultRetentionS: config.defaultRetentionS,
  };
  for (const [name, value] of Object.entries(positive)) {
    if (!(Number.isFinite(value) && value > 0)) throw new HubError("CONFIG", `${name} must be a positive number`);
  }
  return config;
}
