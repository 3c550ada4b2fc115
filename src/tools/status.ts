/** `agentrux_status`: whether the account works, and if not, why. */

import { z } from "zod";
import { loadCredentials } from "../credentials/store.ts";
import { errorText, isAgentruxError } from "../errors.ts";
import { redact } from "../service/redact.ts";
import { cureFor } from "./cure.ts";
import { defineTool, type ToolContext } from "./tool.ts";

type Connection =
  | { readonly connected: true; readonly generation: "a" | "b" }
  | { readonly connected: false; readonly reason: string; readonly code: string; readonly cure?: string };

async function connectionOf(context: ToolContext, signal: AbortSignal): Promise<Connection> {
  try {
    const client = await context.service();
    await client.probe(signal);
    return { connected: true, generation: client.generation };
  } catch (error) {
    signal.throwIfAborted();
    const cure = cureFor(error, true);
    const code = isAgentruxError(error) ? error.code : "unexpected";
    return { connected: false, code, reason: redact(errorText(error)), ...(cure === undefined ? {} : { cure }) };
  }
}

/** What only the operator and their own agents are to know. */
async function particulars({ account, paths }: ToolContext): Promise<Record<string, unknown>> {
  const loaded = await loadCredentials(paths);
  return {
    base_url: account.baseUrlIsSet || loaded.kind !== "ok" ? account.baseUrl : loaded.credentials.baseUrl,
    command_topic: account.commandTopicId,
    result_topic: account.resultTopicId,
    agent: account.agentId,
    credentials: loaded.kind === "ok" ? "present" : loaded.kind,
    ...(loaded.kind === "ok" && loaded.credentials.scriptId ? { script_id: loaded.credentials.scriptId } : {}),
    ...(loaded.kind === "missing" ? { activation_file: paths.bootstrap } : {}),
  };
}

function lines(fields: Readonly<Record<string, unknown>>): string {
  return Object.entries(fields)
    .map(([name, value]) => `${name}: ${String(value)}`)
    .join("\n");
}

export const statusTool = defineTool({
  name: "agentrux_status",
  label: "AgenTrux status",
  description:
    "Tells whether this agent is connected to AgenTrux: the account, the service, credentials, open commands and unsent replies, and what to do when something is wrong.",
  parameters: z.object({}),
  topicTurn: "always",
  replaySafe: true,
  worksUnconfigured: true,
  async run(_args, context, signal) {
    const { account } = context;
    const connection = await connectionOf(context, signal);
    const health = context.health();
    const known = {
      account: account.accountId,
      ...connection,
      running_here: health !== undefined,
      ...(context.turn ? {} : { ...(await particulars(context)), ...health }),
      ...(account.problems.length > 0 && !context.turn ? { problems: account.problems.join("; ") } : {}),
    };
    return { text: lines(known), details: known };
  },
});
