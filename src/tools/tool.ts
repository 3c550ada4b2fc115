/**
 * Owns the seam between the agent's tools and the host: what a tool is, what it is given, and what it gives back.
 * Host-agnostic; `host/tools.ts` knows how the host registers and calls them, `run.ts` how a call is checked.
 */

import type { z } from "zod";
import type { FileFacts } from "../attachments/direct.ts";
import type { Attaching } from "../attachments/outbound.ts";
import type { AccountConfig } from "../config/account.ts";
import type { AccountPaths } from "../credentials/home.ts";
import type { AgentruxError } from "../errors.ts";
import type { FluxClient } from "../flux/client.ts";
import type { WatchRegistry } from "../flux/watch/types.ts";
import type { CredentialedClient } from "../service/client.ts";
import type { UploadSource } from "../service/types.ts";

/** The turn a tool is called in, when that turn came from a topic: its text was written by a stranger. */
export interface TopicTurn {
  /** Where the turn's reply goes, `cmd:<commandId>~<attempt>`; absent where the host does not tell. */
  readonly address?: string;
  /** The turn came from a watch: the operator asked for it, and strangers wrote what it is about. */
  readonly watch?: true;
}

/** The files a tool may send. */
export interface ToolFiles {
  /**
   * Makes a file part of the reply to the topic turn at `address`.
   *
   * @throws AgentruxError `path_refused`, `file_unreadable`, `payload_too_large`, `invalid`, `stopped`
   */
  attach(address: string, file: Attaching): Promise<FileFacts>;
  /** Opens a file for as long as `use` runs. @throws AgentruxError as `attach`; what `use` throws */
  send<T>(file: Attaching, use: (source: UploadSource, facts: FileFacts) => Promise<T>): Promise<T & FileFacts>;
}

/** Which chain of requests something belongs to, and how far along it stands. */
export interface Trace {
  readonly id: string;
  readonly hops: number;
}

/** What a tool is given, besides its arguments. */
export interface ToolContext {
  readonly account: AccountConfig;
  readonly paths: AccountPaths;
  /** Present during a turn that came from a topic. */
  readonly turn?: TopicTurn;
  /**
   * The account's client: that of the running account where it runs in this process, otherwise one of its own.
   * Never to be closed by a tool.
   *
   * @throws AgentruxError `credentials_missing`, `credentials_malformed` or `config`
   */
  service(): Promise<CredentialedClient>;
  /**
   * The client of the world state: that of the running account where it runs in this process, otherwise one of its own.
   * Never to be closed by a tool.
   *
   * @throws AgentruxError `config` where there is no server
   */
  world(): Promise<FluxClient>;
  /** The watches of the account, where it runs in this process. */
  watches(): WatchRegistry | undefined;
  /** Numbers of the account, where it runs in this process. */
  health(): Readonly<Record<string, string | number | boolean>> | undefined;
  /**
   * The trace that what this turn sets off carries on, one hop further than the request it came from; undefined outside
   * a topic turn.
   */
  trace(): Promise<Trace | undefined>;
  /** Puts the host's boundary around text nobody vouches for, with markers its writer cannot guess. */
  quote(text: string, sender: string): string;
  readonly files: ToolFiles;
  /** Where the agent keeps its files, absolute; absent where the host does not tell. */
  readonly workspaceDir?: string;
}

/** What a tool gives back. `text` is for the model, `details` for programs: JSON without text from strangers. */
export interface ToolResult {
  readonly text: string;
  readonly details: Readonly<Record<string, unknown>>;
  /** What went wrong, where there is more to tell than an error alone can: the call counts as failed. */
  readonly error?: AgentruxError;
}

/** Says in a few words what a tool is waiting for. Shown to people; never holds secrets or text from a topic. */
export type Progress = (line: string) => void;

/**
 * What a turn that came from a topic may do with a tool.
 *
 * `never` and `always` speak for themselves. `topic`: only on a messaging topic whose mode allows this access. `world`: as
 * far as `flux.topicTurns` allows this access, and what is written lies in `flux.namespace`.
 */
export type TopicTurnRule =
  | "never"
  | "always"
  | { readonly topic: "read" | "write" }
  | { readonly world: "read" | "write" };

/** What a call changes in the world state: an entity, or all whose ids begin so. */
export type WorldTarget = { readonly id: string } | { readonly prefix: string };

/** A tool with its parameters' type. */
export interface ToolDefinition<S extends z.ZodObject> {
  /** Lowercase, unique in the host, and listed in the manifest's `contracts.tools`. */
  readonly name: string;
  readonly label: string;
  /** Written for a model: what it does, when to use it, what comes back. */
  readonly description: string;
  readonly parameters: S;
  /** Other names under which callers of earlier versions know a parameter. */
  readonly aliases?: Readonly<Record<string, string>>;
  /** Offered only when the operator lists it in `tools.allow`. */
  readonly optional?: boolean;
  /** Only for the gateway's owner, proven by the host. */
  readonly ownerOnly?: boolean;
  /** Whether this call is only for the owner, where others are not. */
  needsOwner?(args: z.infer<S>): boolean;
  readonly topicTurn: TopicTurnRule;
  /** Also usable while the account's configuration has problems. */
  readonly worksUnconfigured?: boolean;
  /** Repeating a call changes nothing. */
  readonly replaySafe?: boolean;
  /** What it gives back holds text from strangers. */
  readonly quotesStrangers?: boolean;
  /** What a call changes in the world state; in every turn kept inside `flux.namespace`, where that is set. */
  writes?(args: z.infer<S>): readonly WorldTarget[];
  /** What can be done about a failure, where there is more to say than for any tool. */
  cure?(error: AgentruxError): string | undefined;
  /** Time limit of one call in milliseconds; {@link TOOL_TIMEOUT_MS} where absent. */
  timeoutMs?(args: z.infer<S>): number;
  /** @throws AgentruxError, told to the model by its code and what to do about it. */
  run(args: z.infer<S>, context: ToolContext, signal: AbortSignal, progress: Progress): Promise<ToolResult>;
}

/** A tool whose arguments are still to be checked: `run` only what `parameters` has parsed. */
export type Tool = ToolDefinition<z.ZodObject>;

export const TOOL_TIMEOUT_MS = 60_000;

/**
 * Declares a tool.
 *
 * @example
 * export const status = defineTool({ name: "agentrux_status", parameters: z.object({}), topicTurn: "always", ... });
 */
export function defineTool<S extends z.ZodObject>(definition: ToolDefinition<S>): Tool {
  return definition;
}
