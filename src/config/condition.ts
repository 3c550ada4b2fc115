/**
 * Owns the words of a watch's `when`: what has to happen to an entity for the agent to be told. Pure.
 *
 *     changed | appeared | gone
 *     [property] > 30        also >= < <= == != and contains; the value is JSON, or a bare word
 */

/** A value a property is compared with. */
export type Operand = string | number | boolean | null;
export type Operator = ">" | ">=" | "<" | "<=" | "==" | "!=" | "contains";

/** What has to happen. A comparison is met when it becomes true, not for as long as it stays true. */
export type Condition =
  | { readonly kind: "changed" | "appeared" | "gone" }
  | {
      readonly kind: "compare";
      /** Absent where only `property` of the watch names it. */
      readonly property?: string;
      readonly operator: Operator;
      readonly operand: Operand;
    };

const COMPARISON = /^(?<property>.*?)\s*(?<operator>>=|<=|==|!=|>|<|(?<![^\s])contains(?=\s))\s*(?<operand>.+)$/s;
const ORDERING: ReadonlySet<string> = new Set([">", ">=", "<", "<="]);

/**
 * Reads a condition.
 *
 * @returns the condition, or a sentence that says why it is none
 * @example parseCondition("temperature > 30") // { kind: "compare", property: "temperature", operator: ">", operand: 30 }
 */
export function parseCondition(text: string): Condition | string {
  const words = text.trim();
  if (words === "changed" || words === "appeared" || words === "gone") return { kind: words };
  const { property = "", operator = "", operand: written = "" } = COMPARISON.exec(words)?.groups ?? {};
  if (operator === "") {
    return 'must be "changed", "appeared", "gone" or a comparison such as "temperature > 30"';
  }
  const operand = operandOf(written);
  if (operand === undefined)
    return `cannot be compared with ${written.slice(0, 40)}: write a number, a word or a "text"`;
  if (ORDERING.has(operator) && typeof operand !== "number") return `${operator} needs a number on its right`;
  if (operator === "contains" && (typeof operand !== "string" || operand === "")) return "contains needs a text";
  return {
    kind: "compare",
    ...(property.trim() === "" ? {} : { property: property.trim() }),
    operator: operator as Operator,
    operand,
  };
}

function operandOf(written: string): Operand | undefined {
  try {
    const value: unknown = JSON.parse(written);
    const simple =
      value === null || typeof value === "string" || typeof value === "number" || typeof value === "boolean";
    return simple ? value : undefined;
  } catch {
    return /^[\p{L}\p{N}_][\p{L}\p{N}_ .:/-]*$/u.test(written) ? written : undefined;
  }
}
