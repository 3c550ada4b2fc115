/** Owns the scripted model's answers: which words in a request lead to which reply. Pure. */

import type { CurrentTurn } from "./model-prompt.ts";

/** What the scripted model does with one request. */
export interface ScriptedAnswer {
  /** Milliseconds to wait before anything is sent. */
  readonly delayMs: number;
  /** Name under which a test releases the answer; nothing is sent before. */
  readonly hold?: string;
  readonly reply:
    | { readonly kind: "text"; readonly text: string }
    | { readonly kind: "tool"; readonly name: string; readonly argumentsJson: string }
    | { readonly kind: "error"; readonly status: number; readonly message: string };
}

/** What the host treats as "say nothing". */
const NO_REPLY = "NO_REPLY";
/** How the host asks again after an empty answer; a silent turn stays silent only if this is met with silence too. */
const ANSWER_AGAIN = "The previous attempt did not produce a user-visible answer.";

const INSTRUCTION = /Your instruction for it:\n(TOOL:[\s\S]*)/;

/**
 * The script, first match wins:
 *
 * | In the request | Answer |
 * |---|---|
 * | a tool result of this turn | `tool-said: <result>` |
 * | `TOOL:<name>:<json>` as the operator's instruction of a watch | one call of that tool |
 * | `FAIL400` | HTTP 400 (a 5xx would make the host retry for minutes) |
 * | `TOOL:<name>:<json>` | one call of that tool with these arguments |
 * | `SILENT` | no visible answer |
 * | `SLOW:<ms>` | waits so long, then goes on with the rest of the script |
 * | `HOLD:<name>` | waits until the name is released, then goes on with the rest of the script |
 * | `Reply with exactly: X` | X |
 * | `ping` | `pong` |
 * | anything else | `echo: <text>` |
 */
export function scriptedAnswer(turn: CurrentTurn): ScriptedAnswer {
  const { text, outside, toolResult } = turn;
  if (toolResult !== undefined) return { delayMs: 0, reply: { kind: "text", text: `tool-said: ${toolResult}` } };
  const instructed = INSTRUCTION.exec(outside)?.[1];
  if (instructed !== undefined) return { delayMs: 0, reply: scriptedReply(instructed) };
  if (text.includes("FAIL400")) {
    return { delayMs: 0, reply: { kind: "error", status: 400, message: "scripted failure" } };
  }
  const delayMs = Number(/\bSLOW:(\d+)/.exec(text)?.[1] ?? 0);
  const hold = /\bHOLD:([\w-]+)/.exec(text)?.[1];
  return { delayMs, ...(hold === undefined ? {} : { hold }), reply: scriptedReply(text) };
}

function scriptedReply(text: string): ScriptedAnswer["reply"] {
  const call = /\bTOOL:([\w-]+):(\{[\s\S]*\})/.exec(text);
  if (call?.[1] !== undefined && call[2] !== undefined) {
    return { kind: "tool", name: call[1], argumentsJson: call[2] };
  }
  if (/\bSILENT\b/.test(text) || text.startsWith(ANSWER_AGAIN)) return { kind: "text", text: NO_REPLY };
  const exact = /Reply with exactly:\s*([\s\S]+)/.exec(text)?.[1];
  if (exact !== undefined) return { kind: "text", text: exact.trim() };
  return { kind: "text", text: /^ping[.!?]?$/i.test(text) ? "pong" : `echo: ${text}` };
}
