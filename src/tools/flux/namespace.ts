/**
 * `flux_namespace`: looks a namespace up, or registers one.
 *
 * The token of a new namespace is shown once, by the server. It goes into a file of the account's folder, which nobody but
 * the gateway's user can read, and its path into the result; the token itself is in no result, and so in no transcript.
 */

import { FLUX_NAMESPACE_PATTERN } from "agentrux-wire";
import { z } from "zod";
import { reserveFluxToken } from "../../credentials/flux-token.ts";
import { AgentruxError, isAgentruxError } from "../../errors.ts";
import { cleanLine } from "../../guard/text.ts";
import { defineTool, type ToolContext, type ToolResult } from "../tool.ts";
import { writeCure } from "./cure.ts";

async function create(
  name: string,
  isPrivate: boolean,
  context: ToolContext,
  signal: AbortSignal,
): Promise<ToolResult> {
  const client = await context.world();
  if (client.server.adminToken === undefined) {
    throw new AgentruxError("config", "Registering a namespace needs flux.adminToken, which is not configured");
  }
  // First, so that a token is not issued which then has no place to go.
  const place = await reserveFluxToken(context.paths, name);
  try {
    const { namespaceId, token } = await client.createNamespace(name, isPrivate, signal);
    await place.keep(token);
    return {
      text: `Namespace "${name}" is registered. Its token is in ${place.path}, readable for the gateway's user only: your owner makes it flux.token. It is not shown here.`,
      details: { namespace: name, namespace_id: cleanLine(namespaceId, 64), token_file: place.path },
    };
  } catch (error) {
    await place.giveUp();
    if (isAgentruxError(error, "disk")) {
      const note =
        "The namespace is registered, but its token is lost: your owner can issue another (flux.sh namespace rotate).";
      return { text: note, details: { namespace: name }, error };
    }
    throw error;
  }
}

export const fluxNamespaceTool = defineTool({
  name: "flux_namespace",
  label: "Namespace of the world state",
  description:
    "Tells about a namespace of the shared world state (Flux): when it was registered and how many entities it has; without a name the agent's own. With create, your owner can have a new one registered; its token goes into a file, never into the conversation.",
  parameters: z.strictObject({
    name: z
      .string()
      .regex(FLUX_NAMESPACE_PATTERN, { error: "must be 3 to 32 characters of a-z, 0-9, - and _" })
      .optional()
      .describe("Which namespace; by default the agent's own."),
    create: z.boolean().optional().describe("true: register it. Only when your owner asks for it."),
    private: z.boolean().optional().describe("With create: reading needs its token too."),
  }),
  aliases: { namespace: "name" },
  topicTurn: "never",
  needsOwner: ({ create: wanted }) => wanted === true,
  cure(error) {
    if (error.code === "conflict") return "That name is taken, or a token of it is kept here already.";
    if (error.kind === "unknown" && error.code !== "aborted") {
      return "Look with flux_namespace. If it is there now, its token is lost, and your owner has to issue another.";
    }
    return writeCure(error);
  },
  async run({ name, create: wanted, private: isPrivate = false }, context, signal) {
    const namespace = name ?? context.account.flux.namespace;
    if (namespace === undefined) {
      throw new AgentruxError("invalid", "flux_namespace: give a name; this agent has no namespace of its own");
    }
    if (wanted === true) return await create(namespace, isPrivate, context, signal);
    const client = await context.world();
    const found = await client.namespace(namespace, signal);
    const isOwn = namespace === context.account.flux.namespace;
    const facts = {
      namespace,
      namespace_id: cleanLine(found.namespaceId, 64),
      created_at: cleanLine(found.createdAt, 40),
      entities: found.entityCount,
      private: found.private === true,
      own: isOwn,
    };
    const lines = Object.entries(facts).map(([key, value]) => `${key}: ${String(value)}`);
    return { text: lines.join("\n"), details: facts };
  },
});
