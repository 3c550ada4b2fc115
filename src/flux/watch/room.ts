/** Owns how much is kept of each entity of a watch: less, once there is much of all of them. Pure. */

import type { FluxWatch } from "../../config/flux.ts";
import { changedState, type EntityState, sizeOf, stateOf } from "./entity-state.ts";
import type { BookLimits } from "./flush.ts";

type Properties = Readonly<Record<string, unknown>>;

const SCARCE_ENTITY_CHARS = 4 * 1_024;

export class Room {
  readonly #only: string | undefined;
  readonly #limits: Pick<BookLimits, "maxEntityChars" | "maxChars">;
  #chars = 0;

  constructor({ property }: Pick<FluxWatch, "property">, limits: Pick<BookLimits, "maxEntityChars" | "maxChars">) {
    this.#only = property;
    this.#limits = limits;
  }

  /** What is kept of an entity takes the place of what was. */
  replace(was: EntityState | undefined, is: EntityState | undefined): void {
    this.#chars += sizeOf(is) - sizeOf(was);
  }

  /** What is kept of an entity that is like this. */
  stateOf(properties: Properties): EntityState | undefined {
    return stateOf(properties, this.#each, this.#only);
  }

  /** What is kept of an entity of which this has changed. */
  changed(state: EntityState | undefined, changes: Properties, removed: readonly string[]): EntityState | undefined {
    return changedState(state, changes, removed, this.#each, this.#only);
  }

  get #each(): number {
    return this.#chars > this.#limits.maxChars ? SCARCE_ENTITY_CHARS : this.#limits.maxEntityChars;
  }
}
