/**
 * `flux_delete`: entities by their exact ids, or by a prefix once somebody has said how many that are.
 *
 * A prefix is only ever looked at on the first call. On the second, with the number confirmed, the ids that match are listed
 * and deleted one by one by their names: what appears meanwhile is spared, and no server gets to read the prefix its own way.
 * For the same reason exact ids go in the body of a request and never in a URL (S5, S6).
 */

import { z } from "zod";
import { AgentruxError } from "../../errors.ts";
import type { FluxClient } from "../../flux/client.ts";
import { becomesVisible } from "../../flux/visible.ts";
import { cleanLine } from "../../guard/text.ts";
import { defineTool, type ToolContext, type ToolResult } from "../tool.ts";
import { writeCure } from "./cure.ts";
import { countMatching, idsMatching } from "./matching.ts";
import { ENTITY_ID_MAX_CHARS, entityIds, listOf } from "./parameters.ts";
import { pieces } from "./pieces.ts";
import { counted, showLines } from "./show.ts";

const IDS_MAX = 500;
const TIMEOUT_MS = 180_000;
const COMPLAINTS_SHOWN = 20;
/** Ids shown of those that a prefix matches. */
const SAMPLE = 10;

/** Deletes by exact ids, in pieces. What was done before a piece failed is told with the failure. */
async function deleteIds(
  ids: readonly string[],
  client: FluxClient,
  context: ToolContext,
  signal: AbortSignal,
): Promise<ToolResult> {
  let deleted = 0;
  const complaints: string[] = [];
  for (const piece of pieces(ids)) {
    try {
      const answer = await client.deleteMany({ entity_ids: [...piece] }, signal);
      deleted += answer.deleted;
      complaints.push(...answer.errors);
    } catch (error) {
      if (deleted === 0 || !(error instanceof AgentruxError)) throw error;
      const text = `${deleted} of ${ids.length} were deleted before that; deleting one twice does no harm.`;
      return { text, details: { deleted, asked: ids.length }, error };
    }
  }
  const failed = ids.length - deleted;
  const last = ids.at(-1);
  const visible = failed > 0 || last === undefined || (await becomesVisible(client, { id: last, gone: true }, signal));
  const details = { deleted, asked: ids.length, ...(failed > 0 ? {} : { visible }) };
  if (failed > 0) {
    const shown = showLines(complaints.slice(0, COMPLAINTS_SHOWN), context);
    const error = new AgentruxError(deleted === 0 ? "server_error" : "partial", `${failed} were not deleted`, {
      kind: "refused",
    });
    return {
      text: `${deleted} of ${ids.length} are deleted. The server says of the others:\n${shown}`,
      details,
      error,
    };
  }
  const seen = visible ? "" : " The state does not show it yet; flux_get a little later will.";
  const what = ids.length === 1 ? `"${cleanLine(ids[0] ?? "", 200)}" is` : `${deleted} entities are`;
  return { text: `${what} deleted. (Deleting what is not there counts as done.)${seen}`, details };
}

async function showMatching(
  prefix: string,
  client: FluxClient,
  context: ToolContext,
  signal: AbortSignal,
): Promise<ToolResult> {
  const { count, sample } = await countMatching(client, prefix, SAMPLE, signal);
  const details = { deleted: 0, matched: count };
  if (count === 0) return { text: "Nothing is deleted: no id begins so.", details };
  const shown = showLines(
    sample.map((id) => JSON.stringify(id)),
    context,
  );
  return {
    text: `Nothing is deleted yet. What begins so: ${counted(count, "entity", "entities")}, among them:\n${shown}\nTo delete them all, call again with confirm_count: ${count}.`,
    details,
  };
}

async function deletePrefix(
  prefix: string,
  confirmed: number,
  client: FluxClient,
  context: ToolContext,
  signal: AbortSignal,
): Promise<ToolResult> {
  const ids = await idsMatching(client, prefix, signal);
  if (ids.length !== confirmed) {
    const error = new AgentruxError(
      "conflict",
      `Nothing was deleted: ${counted(ids.length, "entity begins", "entities begin")} so, not ${confirmed}`,
      {
        kind: "refused",
      },
    );
    const text = "If all of them are to go, confirm the number that match now.";
    return { text, details: { deleted: 0, matched: ids.length }, error };
  }
  return await deleteIds(ids, client, context, signal);
}

export const fluxDeleteTool = defineTool({
  name: "flux_delete",
  label: "Delete from the world state",
  description:
    "Deletes entities of the shared world state (Flux): by exact ids at once; by a prefix only when called again with confirm_count, the number that the first call showed. There is no way back.",
  parameters: z.strictObject({
    entity: entityIds(IDS_MAX).optional().describe("The id, or a list of ids."),
    prefix: z
      .string()
      .min(1)
      .max(ENTITY_ID_MAX_CHARS)
      .optional()
      .describe("Instead: every id that begins so. The first call only shows how many."),
    confirm_count: z.int().min(1).optional().describe("With prefix: how many there are, from the call before."),
  }),
  aliases: { entities: "entity", entity_id: "entity", entity_ids: "entity", id: "entity" },
  topicTurn: { world: "write" },
  quotesStrangers: true,
  timeoutMs: () => TIMEOUT_MS,
  writes: ({ entity, prefix }) => [
    ...listOf(entity).map((id) => ({ id })),
    ...(prefix === undefined ? [] : [{ prefix }]),
  ],
  cure: (error) => (error.code === "conflict" ? undefined : writeCure(error)),
  async run({ entity, prefix, confirm_count: confirmed }, context, signal, progress) {
    const ids = listOf(entity);
    if ((prefix === undefined) === (ids.length === 0)) {
      throw new AgentruxError("invalid", "flux_delete: give either entity or prefix");
    }
    const client = await context.world();
    progress("deleting from the world state");
    if (prefix === undefined) return await deleteIds(ids, client, context, signal);
    return confirmed === undefined
      ? await showMatching(prefix, client, context, signal)
      : await deletePrefix(prefix, confirmed, client, context, signal);
  },
});
