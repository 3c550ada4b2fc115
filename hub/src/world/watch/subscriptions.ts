/** Owns what watchers say: messages read and checked, and a set of subscriptions that knows which ids it covers. */
import { z } from "zod";
import { Allowance } from "./allowance.ts";
import { Coverage } from "./coverage.ts";

/** Ids have no limit of their own, but longer ones fit into no request's path: nobody could read or delete such an entity. */
const MAX_TEXT = 16 * 1024;

/** Which entities, and of those which property. An empty prefix covers everything. */
export interface Selector {
  readonly kind: "entity" | "prefix";
  readonly value: string;
  /** Only changes of this property; undefined for all. */
  readonly property: string | undefined;
  /** The subscription as its client would write it. */
  readonly label: string;
}

const text = z.string().max(MAX_TEXT).optional();
const target = { entity_id: text, prefix: text, namespace: text, property: text };

const messageSchema = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("subscribe"),
    ...target,
    snapshot: z.boolean().optional(),
    cursor: z.string().optional(),
  }),
  z.object({ type: z.literal("unsubscribe"), ...target }),
  z.object({ type: z.literal("ping") }),
]);

export type WatchMessage =
  | { readonly type: "subscribe"; readonly selector: Selector; readonly snapshot: boolean; readonly cursor?: string }
  | { readonly type: "unsubscribe"; readonly selector: Selector }
  | { readonly type: "ping" };

/** Reads a message; text that says what is wrong with one that cannot be read. */
export function readMessage(text: string): WatchMessage | string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return "the message is not JSON";
  }
  const read = messageSchema.safeParse(value);
  if (!read.success) return `the message does not fit: ${read.error.issues[0]?.message ?? "unknown type"}`;
  const message = read.data;
  if (message.type === "ping") return message;
  const selector = selectorOf(message);
  if (selector === undefined) return "give one of entity_id, prefix and namespace";
  if (message.type === "unsubscribe") return { type: "unsubscribe", selector };
  const { snapshot = false, cursor } = message;
  return { type: "subscribe", selector, snapshot, ...(cursor === undefined ? {} : { cursor }) };
}

interface Target {
  readonly entity_id?: string | undefined;
  readonly prefix?: string | undefined;
  readonly namespace?: string | undefined;
  readonly property?: string | undefined;
}

function selectorOf({ entity_id: entity, prefix, namespace, property }: Target): Selector | undefined {
  if ([entity, prefix, namespace].filter((one) => one !== undefined).length !== 1) return undefined;
  if (entity === "*") return selectorFor("prefix", "", property);
  if (entity !== undefined) return selectorFor("entity", entity, property);
  return selectorFor("prefix", namespace === undefined ? (prefix ?? "") : `${namespace}/`, property);
}

export function selectorFor(kind: Selector["kind"], value: string, property?: string): Selector {
  const of = kind === "entity" ? { entity_id: value } : { prefix: value };
  const label = JSON.stringify({ ...of, ...(property === undefined ? {} : { property }) });
  return { kind, value, property, label };
}

export type WantedProperties = (name: string) => boolean;

export class Subscriptions {
  readonly #byLabel = new Map<string, Selector>();
  /** Properties that are asked for; undefined for all. */
  readonly #coverage = new Coverage<string | undefined>();
  readonly #allowance = new Allowance();

  get size(): number {
    return this.#byLabel.size;
  }

  add(selector: Selector): "added" | "there" | "full" {
    const { label } = selector;
    if (this.#byLabel.has(label)) return "there";
    if (!this.#allowance.take(label)) return "full";
    this.#byLabel.set(label, selector);
    this.#coverage.add(selector, selector.property);
    return "added";
  }

  /** @returns whether it was there */
  delete(selector: Selector): boolean {
    const { label, property } = selector;
    if (!this.#byLabel.delete(label)) return false;
    this.#coverage.delete(selector, property);
    this.#allowance.giveBack(label);
    return true;
  }

  /** Whether there is one for the same ids, whichever its property. */
  hasLike(selector: Selector): boolean {
    return this.#coverage.has(selector);
  }

  all(): Iterable<Selector> {
    return this.#byLabel.values();
  }

  covers(id: string): boolean {
    return this.#coverage.of(id).length > 0;
  }

  /** Which properties of `id` are asked for; undefined when the id is not covered. */
  wanted(id: string): "all" | WantedProperties | undefined {
    const covering = this.#coverage.of(id);
    if (covering.length === 0) return undefined;
    if (covering.some((properties) => properties.has(undefined))) return "all";
    return (name) => covering.some((properties) => properties.has(name));
  }
}
