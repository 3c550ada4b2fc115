/** What is watched in the world, as the account's tools, status and hooks see it; watch-set.ts keeps it. */

import type { FluxWatch } from "../../config/flux.ts";

/**
 * Who asked for a watch. Turns of a watch that `config` or the agent's own user (`agent`) asked for are trusted like their
 * author. One added in the course of a topic's turn (`topic`) may be a stranger's idea: its instruction is shown as data,
 * and its turns may do what a topic's turns may.
 */
export type WatchOrigin = "config" | "agent" | "topic";

export interface WatchInfo {
  readonly definition: FluxWatch;
  readonly origin: WatchOrigin;
  /** `starting` until everything watched has been seen once. */
  readonly state: "starting" | "watching" | "failing";
  /** Why it is failing, or what it leaves out. */
  readonly problem?: string;
  /** Entities seen. */
  readonly entities: number;
  /** Entities whose change waits for its time. */
  readonly held: number;
  /** When the agent was last told something, epoch milliseconds. */
  readonly lastToldAt?: number;
}

/** The watches of a running account. What is added here survives restarts, until it is removed. */
export interface WatchRegistry {
  list(): readonly WatchInfo[];
  /**
   * Resolves when the watch is on disk; what is there already is its baseline and wakes nobody.
   *
   * @throws AgentruxError `conflict` (the id is taken), `invalid` (too many), `config` (no world-state server), `disk`
   */
  add(definition: FluxWatch, origin: Exclude<WatchOrigin, "config">): Promise<WatchInfo>;
  /**
   * @returns false when there is no such watch
   * @throws AgentruxError `not_allowed` for a watch of the configuration, `disk`
   */
  remove(id: string): Promise<boolean>;
}
