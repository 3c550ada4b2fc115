/** The seam between the connection to a Flux server and what is made of what comes over it. */

import type { FluxEntity } from "agentrux-wire";
import type { FluxWatch } from "../../config/flux.ts";

/** What is asked of the server; watches of the same entities share one. */
export interface Subscription {
  /** Equal for equal subscriptions. */
  readonly label: string;
  readonly target: FluxWatch["target"];
  readonly property?: string;
}

export interface FeedSink {
  subscriptions(): readonly Subscription[];
  /** What is known under this label may be old, until its snapshot is whole. */
  unsync(label: string): void;
  part(label: string, entities: readonly FluxEntity[]): void;
  whole(label: string): void;
  update(
    entity: string,
    changes: Readonly<Record<string, unknown>>,
    removed: readonly string[],
    at: string | undefined,
  ): void;
  /** All of an entity, or that it is not there. */
  replace(entity: string, now: FluxEntity | undefined, at: string | undefined): void;
  /** Whether anybody wants to know of this entity. */
  covers(entity: string): boolean;
}

/** What a client is to ask for, as the hub names subscriptions: `*` is no entity but all of them. */
export function subscriptionOf({ target, property }: Pick<FluxWatch, "target" | "property">): Subscription {
  const all = "entity" in target && target.entity === "*";
  const selector = all ? { prefix: "" } : target;
  const only = property === undefined ? {} : { property };
  return { label: labelOf({ ...asked(selector), ...only }), target: selector, ...only };
}

/** A target in the words of the wire. */
export function asked(target: FluxWatch["target"]): { readonly entity_id: string } | { readonly prefix: string } {
  return "entity" in target ? { entity_id: target.entity } : { prefix: target.prefix };
}

/** The label of a subscription as the server repeats it. */
export function labelOf(subscription: {
  readonly entity_id?: string | undefined;
  readonly prefix?: string | undefined;
  readonly property?: string | undefined;
}): string {
  return JSON.stringify([subscription.entity_id ?? null, subscription.prefix ?? null, subscription.property ?? null]);
}

export function targetCovers(target: FluxWatch["target"], entity: string): boolean {
  return "entity" in target ? target.entity === entity : entity.startsWith(target.prefix);
}
