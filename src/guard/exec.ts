/**
 * Decides whether a turn that came from a topic may run one shell command.
 *
 * Off means denied. On means: the command is one simple command, free of everything by which a shell starts a second
 * one or touches a file, and the whole of it matches one of the operator's patterns. What cannot be understood is
 * refused.
 */

import type { ExecPolicy } from "../config/account.ts";

export type ExecDecision = { readonly allowed: true } | { readonly allowed: false; readonly reason: string };

/** Longest command looked at, in characters: bounds the work of an operator's pattern. */
const COMMAND_MAX_CHARS = 1_000;

// Separators, pipes, substitutions, redirections, grouping, escapes, comments, globs of braces, history, newlines, and
// any other control character.
// eslint-disable-next-line no-control-regex
const SHELL_SYNTAX = /[;&|<>`$(){}\\!#\u0000-\u001f\u007f]/;

const ENVIRONMENT_PREFIX = /^\s*[A-Za-z_][A-Za-z0-9_]*=/;

/** Compiles an operator's pattern so that it must match the whole command; null when it is no valid pattern. */
function anchored(pattern: string): RegExp | null {
  try {
    return new RegExp(`^(?:${pattern})$`, "u");
  } catch {
    return null;
  }
}

/**
 * @example decideExec({ enabled: true, allowedCommands: ["df -h"] }, "df -h; rm x").allowed // false
 */
export function decideExec(policy: ExecPolicy, command: unknown): ExecDecision {
  if (!policy.enabled) return { allowed: false, reason: "exec is off for commands that come from a topic" };
  if (typeof command !== "string" || command.trim() === "") {
    return { allowed: false, reason: "the exec call carries no command line" };
  }
  if (command.length > COMMAND_MAX_CHARS) return { allowed: false, reason: "the command line is too long" };
  if (SHELL_SYNTAX.test(command)) {
    return { allowed: false, reason: "only one simple command is allowed, without shell syntax" };
  }
  if (ENVIRONMENT_PREFIX.test(command)) return { allowed: false, reason: "environment assignments are not allowed" };
  const line = command.trim();
  const matches = policy.allowedCommands.some((pattern) => anchored(pattern)?.test(line) === true);
  return matches ? { allowed: true } : { allowed: false, reason: "the command is not among the allowed commands" };
}
