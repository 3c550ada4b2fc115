/**
 * Decides whether a turn that came from a topic may run a command line.
 *
 * Off means denied. On means: the line is understood in full (see `shell.ts`), and each of its commands, chained or
 * piped, is matched as a whole by one of the operator's patterns. A pattern meets a command in its canonical form, so
 * that no way of quoting leads around it. What cannot be decided is refused.
 */

import type { ExecPolicy } from "../config/account.ts";
import { coverage } from "./patterns.ts";
import { canonical, parseLine } from "./shell.ts";

export type ExecDecision = { readonly allowed: true } | { readonly allowed: false; readonly reason: string };

/** Longest command line looked at, in UTF-16 code units. */
const LINE_MAX_CHARS = 1_000;
const MAX_COMMANDS = 10;

/**
 * Names that no argument may hold whatever the patterns say: where this plugin and its host keep their secrets, and
 * where the kernel shows another process's environment. A second lock; the first is a narrow pattern.
 */
const SECRET_PLACES = /\.agentrux|\.openclaw|openclaw\.json|\/proc\b|\/dev\/(?:tcp|udp|mem|fd)\b/i;

const refused = (reason: string): ExecDecision => ({ allowed: false, reason });

/**
 * @example decideExec({ enabled: true, allowedCommands: ["df -h", "wc -l"] }, "df -h | wc -l").allowed // true
 * @example decideExec({ enabled: true, allowedCommands: ["df -h"] }, "df -h; rm x").allowed // false
 */
export function decideExec(policy: ExecPolicy, command: unknown): ExecDecision {
  if (!policy.enabled) return refused("exec is off for requests that come from a topic");
  if (typeof command !== "string" || command.trim() === "") return refused("the exec call carries no command line");
  if (command.length > LINE_MAX_CHARS) return refused(`a command line may have ${LINE_MAX_CHARS} characters`);
  const line = parseLine(command);
  if (!line.ok) return refused(line.reason);
  if (line.commands.length > MAX_COMMANDS) return refused(`a command line may have ${MAX_COMMANDS} commands`);
  if (line.commands.some((words) => words.some((word) => SECRET_PLACES.test(word)))) {
    return refused("an argument names a place where secrets are kept");
  }
  const result = coverage(policy.allowedCommands, line.commands.map(canonical));
  switch (result.kind) {
    case "all":
      return { allowed: true };
    case "missing":
      return refused(`not among the allowed commands: ${result.text.slice(0, 200)}`);
    case "too-slow":
      return refused("the allowed commands take too long to compare; the operator has to simplify a pattern");
  }
}
