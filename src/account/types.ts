/** What an account is given by the host, and what it can be asked. */

import type { MediaStore } from "../attachments/media-store.ts";
import type { Attaching, OutgoingPolicy } from "../attachments/outbound.ts";
import type { AccountConfig } from "../config/account.ts";
import type { AccountPaths } from "../credentials/home.ts";
import type { FluxClient } from "../flux/client.ts";
import type { WatchRegistry } from "../flux/watch/types.ts";
import type { PathRules } from "../guard/path.ts";
import type { Skip } from "../intake/start-position.ts";
import type { HostReplyFate } from "../intake/dispatcher.ts";
import type { ReplyFile } from "../replies/files.ts";
import type { Clock } from "../replies/ports.ts";
import type { TurnRunner } from "../replies/turn.ts";
import type { CredentialedClient, ServiceClientOptions } from "../service/client.ts";
import type { Metric } from "./metrics.ts";
import type { AccountState } from "./state.ts";

export interface AccountLog {
  debug(line: string): void;
  info(line: string): void;
  warn(line: string): void;
  error(line: string): void;
}

/** What a running account can be asked. */
export interface RunningAccount {
  acceptHostReply(address: string, text: string, media: readonly string[]): Promise<HostReplyFate>;
  /**
   * Makes a file part of the reply to the command whose turn runs at `address`.
   *
   * @param rules Where files may lie, for a session with a workspace of its own.
   * @throws AgentruxError `path_refused`, `file_unreadable`, `payload_too_large`, `invalid`
   */
  attach(address: string, file: Attaching, rules?: PathRules): Promise<ReplyFile>;
  /** The trace of the open command at an attempt's address. */
  traceOf(address: string): Promise<{ readonly id: string; readonly hops: number } | undefined>;
  /** The session's client; it closes with the session. */
  readonly service: CredentialedClient;
  /** The session's client of the world state; undefined where the account has no server for it. */
  readonly world: FluxClient | undefined;
  /** What is watched in the world. */
  readonly watches?: WatchRegistry;
  /** Proves that the credential works. @throws AgentruxError */
  probe(signal: AbortSignal): Promise<void>;
  /** Numbers for the status: from work done, not from sockets. */
  health(): Readonly<Record<string, string | number | boolean>>;
  /** The same and more, to be scraped. */
  metrics(): Promise<readonly Metric[]>;
}

/** When commands were last taken over and replies last published, epoch milliseconds. */
export interface Activity {
  readonly lastInboundAt?: number;
  readonly lastOutboundAt?: number;
}

export interface AccountOptions {
  readonly config: AccountConfig;
  /** `config` with the live keys as they are now (config/live.ts). By default `config`. */
  readonly current?: () => AccountConfig;
  /** While `pending`, the saved position is passed over for the newest event, once. */
  readonly skip?: Skip;
  readonly runner: TurnRunner;
  /** Where attachments of requests are staged; without it they are left alone. */
  readonly media?: MediaStore;
  /** Which files may leave with a reply; without it none do. */
  readonly outgoing?: OutgoingPolicy;
  readonly log: AccountLog;
  readonly setState: (state: AccountState) => void;
  readonly onActivity: (activity: Activity) => void;
  /** A session is up and can be asked. */
  readonly onRunning: (account: RunningAccount) => void;
  /** Where the account keeps its files; by default under the home directory. */
  readonly paths?: AccountPaths;
  /** Limits of the service client, where they differ from its own. */
  readonly service?: ServiceClientOptions;
  /** Time for the work of a session; by default the machine's. */
  readonly clock?: Clock;
  readonly signal: AbortSignal;
}
