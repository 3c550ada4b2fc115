/**
 * Owns one call of a tool, from raw arguments to a result: names, types, who may, how long; and what the model is told
 * when it fails. Nothing throws out of here.
 */

import { z } from "zod";
import { AgentruxError, type ErrorCode, errorText, isAgentruxError } from "../errors.ts";
import { redact } from "../service/redact.ts";
import { cureFor } from "./cure.ts";
import { requireInsideNamespace } from "./fence.ts";
import { type Progress, type Tool, TOOL_TIMEOUT_MS, type ToolContext, type ToolResult } from "./tool.ts";
import { requireAllowedInTopicTurn } from "./topic-turn.ts";

/** How a call ended. `details.ok` says it to programs. */
export interface ToolOutcome extends ToolResult {
  readonly isError: boolean;
}

/** Who calls. */
export interface Caller {
  /** Only `true` proves it. */
  readonly senderIsOwner: boolean;
}

/**
 * The checked arguments of a call.
 *
 * @throws AgentruxError `invalid`, naming the parameter.
 */
export function parseArguments(tool: Tool, raw: unknown): Record<string, unknown> {
  const given: unknown = raw ?? {};
  const result = tool.parameters.safeParse(
    typeof given === "object" && !Array.isArray(given) ? withoutAliases(tool, { ...given }) : given,
  );
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const where = issue && issue.path.length > 0 ? `"${issue.path.join(".")}"` : "the arguments";
  throw new AgentruxError("invalid", `${tool.name}: ${where}: ${issue?.message ?? "not valid"}`);
}

function withoutAliases(tool: Tool, given: Record<string, unknown>): Record<string, unknown> {
  for (const [alias, name] of Object.entries(tool.aliases ?? {})) {
    if (given[alias] !== undefined) given[name] ??= given[alias];
    delete given[alias];
  }
  return given;
}

/** Runs a tool. Never rejects. */
export async function runTool(
  tool: Tool,
  raw: unknown,
  context: ToolContext,
  caller: Caller,
  signal: AbortSignal,
  progress: Progress = () => undefined,
): Promise<ToolOutcome> {
  let limit: AbortSignal | undefined;
  try {
    const args = parseArguments(tool, raw);
    if (context.turn !== undefined) requireAllowedInTopicTurn(tool, args, context.account, context.turn);
    if ((tool.ownerOnly === true || tool.needsOwner?.(args) === true) && !caller.senderIsOwner) {
      const what = tool.ownerOnly === true ? tool.name : `This call of ${tool.name}`;
      throw new AgentruxError("not_allowed", `${what} is only for the owner of this gateway`);
    }
    requireInsideNamespace(tool.writes?.(args) ?? [], context.account.flux.namespace);
    const { problems } = context.account;
    if (problems.length > 0 && tool.worksUnconfigured !== true) throw new AgentruxError("config", problems.join("; "));
    limit = AbortSignal.timeout(tool.timeoutMs?.(args) ?? TOOL_TIMEOUT_MS);
    const { text, details, error } = await tool.run(args, context, AbortSignal.any([signal, limit]), progress);
    if (error === undefined) return { text, details: { ok: true, ...details }, isError: false };
    const failed = failure(tool, error);
    return { text: `${failed.text}\n\n${text}`, details: { ...details, ...failed.details }, isError: true };
  } catch (error) {
    return failure(tool, limit?.aborted === true && !signal.aborted ? timedOut(tool, error) : error);
  }
}

function timedOut(tool: Tool, cause: unknown): AgentruxError {
  return new AgentruxError("timeout", `${tool.name} took too long`, { kind: "unknown", retryable: true, cause });
}

function failure(tool: Tool, error: unknown): ToolOutcome {
  const code: ErrorCode | "unexpected" = isAgentruxError(error) ? error.code : "unexpected";
  const message = redact(errorText(error));
  const cure = (isAgentruxError(error) ? tool.cure?.(error) : undefined) ?? cureFor(error, tool.replaySafe === true);
  return {
    text: cure === undefined ? `Failed (${code}): ${message}` : `Failed (${code}): ${message}\n${cure}`,
    details: {
      ok: false,
      error: {
        code,
        message,
        ...(cure === undefined ? {} : { cure }),
        ...(isAgentruxError(error)
          ? {
              kind: error.kind,
              retryable: error.retryable,
              ...(error.status === undefined ? {} : { status: error.status }),
              ...(error.retryAfterMs === undefined ? {} : { retry_after_ms: error.retryAfterMs }),
            }
          : {}),
      },
    },
    isError: true,
  };
}

/** A tool's parameters for the model. */
export function parametersOf(tool: Tool): Record<string, unknown> {
  const { $schema: _, ...schema } = z.toJSONSchema(tool.parameters, { io: "input", target: "draft-7" });
  return schema;
}
