/** Owns reading what a Flux server sends over its WebSocket: whatever comes, this never throws. Pure. */

import {
  type FluxExplicitMessage,
  fluxExplicitMessageSchema,
  type FluxStockMessage,
  fluxStockMessageSchema,
} from "agentrux-wire";

export type Frame =
  | { readonly kind: "explicit"; readonly message: FluxExplicitMessage }
  | { readonly kind: "stock"; readonly message: FluxStockMessage }
  /** Of a type that is not known here: something later releases say. */
  | { readonly kind: "other" }
  /** Nothing can be relied on any more that came over this connection. */
  | { readonly kind: "malformed"; readonly reason: string };

const KNOWN: ReadonlySet<unknown> = new Set(
  [fluxExplicitMessageSchema, fluxStockMessageSchema].flatMap(({ options }) =>
    options.map((option) => option.shape.type.value),
  ),
);

export function readFrame(text: string): Frame {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { kind: "malformed", reason: "a message that is no JSON" };
  }
  if (typeof value !== "object" || value === null || !("type" in value)) {
    return { kind: "malformed", reason: "a message without a type" };
  }
  if (!KNOWN.has(value.type)) return { kind: "other" };
  const explicit = fluxExplicitMessageSchema.safeParse(value);
  if (explicit.success) return { kind: "explicit", message: explicit.data };
  const stock = fluxStockMessageSchema.safeParse(value);
  if (stock.success) return { kind: "stock", message: stock.data };
  return { kind: "malformed", reason: `a message of type ${String(value.type)} that makes no sense` };
}
