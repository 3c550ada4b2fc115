/** What a watch writes down at once, and how much of it there may be. */

import type { EntityState } from "./entity-state.ts";

/** A change to tell of. `at`: when, as the server says. */
export interface Change {
  readonly entity: string;
  readonly before: EntityState | undefined;
  readonly after: EntityState | undefined;
  readonly at: string | undefined;
}

/** What is written down of an entity. */
export interface Accounted {
  readonly state: EntityState | undefined;
  /** When the agent was last told of it; undefined for never, or so long ago that it does not matter. */
  readonly toldAt: number | undefined;
}

/** What is known of an entity in memory. */
export interface Entry {
  accounted: EntityState | undefined;
  live: EntityState | undefined;
  at: string | undefined;
  toldAt: number | undefined;
  /** Since when a change waits to be told. */
  since: number | undefined;
}

/** What one transaction writes: the changes of a turn, if any, and what is accounted for after it. */
export interface Flush {
  readonly changes: readonly Change[];
  readonly states: ReadonlyMap<string, Accounted>;
  readonly at: number;
  /** Nothing of the first sight is left to write: from now on changes count. */
  readonly endsBaseline: boolean;
}

export interface BookLimits {
  readonly maxEntities: number;
  /** Characters kept of one entity. */
  readonly maxEntityChars: number;
  /** Characters kept of all of them, beyond which little is kept of each. */
  readonly maxChars: number;
  /** Entities accounted for in one flush, and the characters kept of them. */
  readonly maxFlush: number;
  readonly maxFlushChars: number;
}

export const BOOK_LIMITS: BookLimits = {
  maxEntities: 10_000,
  maxEntityChars: 64 * 1_024,
  maxChars: 32 * 1_024 * 1_024,
  maxFlush: 1_000,
  maxFlushChars: 2 * 1_024 * 1_024,
};
