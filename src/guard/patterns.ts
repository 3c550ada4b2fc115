/**
 * Owns matching text against the operator's regular expressions within a bound.
 *
 * A pattern such as `(a+)+b` can keep a matcher busy for years on thirty characters. The operator's patterns are
 * ordinary JavaScript ones, so an engine that is always fast would refuse some of them; instead the engine may run only
 * for so long. V8 stops a running match when the time of a `node:vm` script is over, without a thread and without the
 * cost of one. The bound is for all patterns and texts of one question together.
 */

import { createContext, Script } from "node:vm";

/** Longest the event loop may be held up by one question, in milliseconds; generous, because a busy machine counts too. */
const TIME_LIMIT_MS = 500;

/** Whether every text is matched as a whole by some pattern; `too-slow`: not decided within the bound. */
export type Coverage = { readonly kind: "all" } | { readonly kind: "missing"; readonly text: string } | TooSlow;
interface TooSlow {
  readonly kind: "too-slow";
}

const FIND_UNMATCHED = new Script(`
  (() => {
    const matchers = JSON.parse(patterns).map(([pattern, flags]) => new RegExp(pattern, flags));
    return JSON.parse(texts).findIndex((text) => !matchers.some((matcher) => matcher.test(text)));
  })()
`);

/** By Unicode's rules where they accept the pattern, otherwise by the older ones, in which `\-` is no error. */
function flagsOf(pattern: string): "u" | "" {
  try {
    void new RegExp(pattern, "u");
    return "u";
  } catch {
    void new RegExp(pattern);
    return "";
  }
}

/** Why `pattern` cannot be used; undefined when it can. */
export function patternFault(pattern: string): string | undefined {
  try {
    // Alone: "a)(b" is no pattern, but would become one between the anchors.
    flagsOf(pattern);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : "is not a regular expression";
  }
}

/**
 * Patterns that do not compile match nothing.
 *
 * @example coverage(["df( -h)?"], ["df -h"]) // { kind: "all" }
 */
export function coverage(
  patterns: readonly string[],
  texts: readonly string[],
  timeLimitMs: number = TIME_LIMIT_MS,
): Coverage {
  const anchored = patterns
    .filter((one) => patternFault(one) === undefined)
    .map((one) => [`^(?:${one})$`, flagsOf(one)]);
  const sandbox = Object.assign(Object.create(null) as object, {
    patterns: JSON.stringify(anchored),
    texts: JSON.stringify(texts),
  });
  try {
    const index: unknown = FIND_UNMATCHED.runInContext(createContext(sandbox), { timeout: timeLimitMs });
    const text = typeof index === "number" ? texts[index] : texts[0];
    return text === undefined ? { kind: "all" } : { kind: "missing", text };
  } catch {
    return { kind: "too-slow" };
  }
}
