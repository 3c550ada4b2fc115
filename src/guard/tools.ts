/**
 * Decides about the host's tools for a turn that came from a topic: which ones it never gets, and how the others may be
 * called. Pure. The list is used twice: the host leaves these tools out of the turn, and the tool gate refuses them once
 * more, should a harness bring them in by another door.
 */

import type { ExecPolicy } from "../config/account.ts";
import { decideExec } from "./exec.ts";

/**
 * Tools a stranger's words must not reach, by what they would reach: the host's own and those of the plugins that come
 * with it. `*` stands for any end of a name, here as in the host's policies. Exec is decided separately, per command line.
 * `cron` is the old name of `automations`.
 */
export const DENIED_TOOLS: readonly string[] = [
  // programs and machines that the exec policy does not see
  "process",
  "code_execution",
  "terminal",
  "computer",
  "mobile_ui",
  "nodes",
  "node_inference",
  "file_fetch",
  "file_write",
  "dir_fetch",
  "dir_list",
  "canvas",
  "crabbox",
  // may be the operator's own, signed in everywhere
  "browser",
  "screen",
  "portal",
  // the host itself: its settings, schedule, plugins, skills and secrets
  "gateway",
  "cron",
  "automations",
  "plugins",
  "openclaw",
  "secrets",
  "onepassword",
  "skill_workshop",
  "theme",
  "talk_voice",
  "dashboard",
  "show_widget",
  // other conversations, and turns that this gate would not know as a topic's
  "sessions",
  "sessions_list",
  "sessions_history",
  "sessions_search",
  "sessions_send",
  "sessions_spawn",
  "sessions_yield",
  // also sets a session's model
  "session_status",
  "subagents",
  "agents_list",
  "agents_wait",
  "conversations_list",
  "conversations_send",
  "conversations_turn",
  "suggest_task",
  "dismiss_task",
  "transcripts",
  "intent",
  "wiki_apply",
  "wiki_lint",
  "workboard_*",
  // the operator, in person or in name
  "ask_user",
  "heartbeat_respond",
  "github_identity_status",
  "github_publish",
];

const isDenied = (name: string): boolean =>
  DENIED_TOOLS.some((denied) => (denied.endsWith("*") ? name.startsWith(denied.slice(0, -1)) : name === denied));

/** Every name under which a harness offers a shell. */
const SHELLS: ReadonlySet<string> = new Set(["exec", "bash", "shell", "gateway_exec", "node_exec", "local_shell"]);

/** What an exec call may carry; everything else (`host`, `env`, `workdir`, `elevated`, ...) changes where or how it runs. */
const EXEC_PARAMS: ReadonlySet<string> = new Set(["command", "title", "timeoutSeconds", "yieldMs"]);
/** Longest a command may run, in seconds; the host reads 0 as "for ever". */
const EXEC_MAX_SECONDS = 1_800;

export interface ToolCall {
  readonly toolName: string;
  /** The host's own word for tools that share a name: `code_mode_exec` runs a program, not a command line. */
  readonly toolKind?: string;
  readonly params: Readonly<Record<string, unknown>>;
}

/** Where the host runs commands; see `tools.exec.host`. */
export interface ExecPlace {
  /** `process.platform` of the gateway. */
  readonly platform: string;
  /** The configured host of the exec tool, where one is set. */
  readonly host?: string | undefined;
}

/**
 * Why a turn from a topic may not make this call; undefined when it may.
 *
 * @example whyRefused({ toolName: "cron", params: {} }, policy, place) // "the tool cron is not available ..."
 */
export function whyRefused(call: ToolCall, policy: ExecPolicy, place: ExecPlace): string | undefined {
  const name = call.toolName.trim().toLowerCase().replaceAll("-", "_");
  if (isDenied(name)) return `the tool ${name} is not available to requests that come from a topic`;
  if (call.toolKind === "code_mode_exec") return "programs from a topic are not run; code mode has to be off";
  if (SHELLS.has(name)) return whyExecRefused(call.params, policy, place);
  if (name === "message") return whyMessageRefused(call.params);
  return undefined;
}

function whyExecRefused(params: ToolCall["params"], policy: ExecPolicy, place: ExecPlace): string | undefined {
  if (!policy.enabled) return "exec is off for requests that come from a topic";
  // The line is read by the rules of a POSIX shell; another shell may read it otherwise.
  if (place.platform === "win32") return "exec for requests from a topic needs a POSIX shell on the gateway";
  if (place.host === "node") return "exec for requests from a topic does not run on other machines";
  const extra = Object.keys(params).find((name) => !EXEC_PARAMS.has(name) && params[name] !== undefined);
  if (extra !== undefined) return `exec for a request from a topic may not set "${extra.slice(0, 40)}"`;
  const seconds = params["timeoutSeconds"] ?? 1;
  if (typeof seconds !== "number" || !(seconds > 0 && seconds <= EXEC_MAX_SECONDS)) {
    return `timeoutSeconds has to be between 1 and ${EXEC_MAX_SECONDS}`;
  }
  const decision = decideExec(policy, params["command"]);
  return decision.allowed ? undefined : decision.reason;
}

/** The reply reaches the requester by itself; what names another recipient would reach one of the operator's contacts. */
function whyMessageRefused(params: ToolCall["params"]): string | undefined {
  const foreign = ["channel", "target", "targets", "to", "accountId", "chatId", "channelId", "recipient"].find(
    (name) => {
      const value = params[name];
      if (value === undefined || value === "") return false;
      return name === "channel"
        ? value !== "agentrux"
        : typeof value !== "string" || !/^(?:agentrux:)?cmd:/.test(value);
    },
  );
  return foreign === undefined
    ? undefined
    : `a request from a topic is answered on its topic; message may not set "${foreign}"`;
}
