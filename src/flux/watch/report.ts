/**
 * Owns what the agent is told of changes: one line of JSON an entity, so that nothing in a value can pass for another line,
 * and bounded, with the rest declared. Pure.
 */

import { differences, type EntityState, isTooLarge, valueIn } from "./entity-state.ts";
import type { Change } from "./flush.ts";

export interface ReportLimits {
  /** Entities shown with their values. */
  readonly entities: number;
  readonly valueChars: number;
  readonly entityChars: number;
  readonly chars: number;
}

export const REPORT_LIMITS: ReportLimits = { entities: 100, valueChars: 1_000, entityChars: 4_000, chars: 40_000 };

/** A value as it is shown: whole, or the beginning of its text. */
function shown(state: EntityState | undefined, name: string, limits: ReportLimits): unknown {
  const value = valueIn(state, name);
  const token = state?.get(name);
  if (token?.startsWith("#") === true) return `[${(value as { readonly chars: number }).chars} characters]`;
  if (token === undefined || token.length <= limits.valueChars) return value;
  const text = typeof value === "string" ? value : token;
  return `${text.slice(0, limits.valueChars).toWellFormed()}... [${text.length} characters]`;
}

function kindOf({ before, after }: Change): "appeared" | "gone" | "changed" {
  if (before === undefined) return "appeared";
  return after === undefined ? "gone" : "changed";
}

function sideOf(state: EntityState | undefined, names: readonly string[], limits: ReportLimits): [string, unknown][] {
  return names.filter((name) => state?.has(name) === true).map((name) => [name, shown(state, name, limits)]);
}

/** One change as one line. */
export function changeLine(change: Change, limits: ReportLimits = REPORT_LIMITS): string {
  const { entity, before, after, at } = change;
  const facts = { entity, event: kindOf(change), ...(at === undefined ? {} : { at }) };
  const large = [before, after].some((state) => state !== undefined && isTooLarge(state));
  if (large) return JSON.stringify({ ...facts, note: "too large to be compared" });
  const names = differences(before, after);
  let line = "";
  for (let count = names.length; ; count = Math.floor(count / 2)) {
    const some = names.slice(0, count);
    line = JSON.stringify({
      ...facts,
      ...(before === undefined ? {} : { before: Object.fromEntries(sideOf(before, some, limits)) }),
      ...(after === undefined ? {} : { after: Object.fromEntries(sideOf(after, some, limits)) }),
      ...(count === names.length ? {} : { left_out: `${names.length - count} more properties` }),
    });
    if (line.length <= limits.entityChars || count === 0) return line;
  }
}

/**
 * All changes of a turn.
 *
 * @example reportOf([{ entity: "lab/room-1", before, after, at }])
 * // {"entity":"lab/room-1","event":"changed","at":"2026-...","before":{"temperature":22},"after":{"temperature":31}}
 */
export function reportOf(changes: readonly Change[], limits: ReportLimits = REPORT_LIMITS): string {
  const lines: string[] = [];
  let chars = 0;
  for (const change of changes.slice(0, limits.entities)) {
    const line = changeLine(change, limits);
    if (chars + line.length > limits.chars && lines.length > 0) break;
    lines.push(line);
    chars += line.length;
  }
  const rest = changes.slice(lines.length);
  if (rest.length === 0) return lines.join("\n");
  const ids: string[] = [];
  for (const { entity } of rest) {
    if (chars + entity.length > limits.chars) break;
    ids.push(entity);
    chars += entity.length + 3;
  }
  const more = rest.length - ids.length;
  lines.push(JSON.stringify({ also_changed: ids, ...(more === 0 ? {} : { and_more: more }) }));
  return lines.join("\n");
}
