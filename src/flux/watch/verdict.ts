/** Owns when a change of an entity is one to tell of: a condition held against what the agent knows and what is. Pure. */

import type { Condition } from "../../config/condition.ts";
import { type EntityState, sameState, valueIn } from "./entity-state.ts";

export interface Verdict {
  /** `quiet`: it has changed, and the agent need not know. */
  readonly kind: "same" | "quiet" | "tell";
  /** Whether what may be told next depends on it: a threshold re-armed, an entity there or gone. */
  readonly decides: boolean;
}

const SAME: Verdict = { kind: "same", decides: false };

/**
 * @param before what the agent was told of, or what it began with
 * @param after what is
 */
export function judge(condition: Condition, before: EntityState | undefined, after: EntityState | undefined): Verdict {
  if (sameState(before, after)) return SAME;
  switch (condition.kind) {
    case "changed":
      return { kind: "tell", decides: true };
    case "appeared":
      return presence(before, after, before === undefined);
    case "gone":
      return presence(before, after, after === undefined);
    case "compare": {
      const [was, is] = [isMet(condition, before), isMet(condition, after)];
      return { kind: is && !was ? "tell" : "quiet", decides: was !== is };
    }
  }
}

function presence(before: EntityState | undefined, after: EntityState | undefined, fits: boolean): Verdict {
  const decides = (before === undefined) !== (after === undefined);
  return { kind: decides && fits ? "tell" : "quiet", decides };
}

/** A comparison, of an entity as it is. What is absent, or of another kind, meets none. */
export function isMet(condition: Extract<Condition, { kind: "compare" }>, state: EntityState | undefined): boolean {
  const { property = "", operator, operand } = condition;
  const value = valueIn(state, property);
  if (value === undefined) return false;
  switch (operator) {
    case "==":
      return value === operand;
    case "!=":
      return value !== operand;
    case "contains":
      return (
        (typeof value === "string" && value.includes(String(operand))) ||
        (Array.isArray(value) && value.includes(operand))
      );
    case ">":
    case ">=":
    case "<":
    case "<=":
      return typeof value === "number" && typeof operand === "number" && isOrdered(value, operator, operand);
  }
}

function isOrdered(value: number, operator: ">" | ">=" | "<" | "<=", operand: number): boolean {
  if (operator === ">") return value > operand;
  if (operator === ">=") return value >= operand;
  return operator === "<" ? value < operand : value <= operand;
}
