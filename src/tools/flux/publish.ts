/**
 * `flux_publish`: one event about one entity.
 *
 * Each event has an id. When it cannot be known whether the event arrived, the result names the id, and the same call with
 * it is the same event: this project's hub counts it once.
 */

import { z } from "zod";
import { AgentruxError, isAgentruxError } from "../../errors.ts";
import type { FluxClient, Published } from "../../flux/client.ts";
import { newEventId } from "../../flux/event-id.ts";
import type { ConflictDetails } from "../../flux/refusals.ts";
import { becomesVisible } from "../../flux/visible.ts";
import { cleanLine } from "../../guard/text.ts";
import { defineTool, type ToolContext, type ToolResult } from "../tool.ts";
import { writeCure } from "./cure.ts";
import { eventOf, outOfTime, requirePublishable, timeOfRepeated } from "./outgoing.ts";
import { entityId, properties, source, stream } from "./parameters.ts";
import { readerFor } from "./reader.ts";
import { showEntities } from "./show.ts";

/** What an event may say; shared with `flux_batch`. */
export const eventParameters = {
  entity: entityId.describe("Which entity: namespace/name."),
  properties: properties
    .default({})
    .describe("What changed, as a JSON object; other properties stay. null is a value and takes nothing away."),
  remove: z.array(z.string().min(1).max(255)).max(100).optional().describe("Names of properties to take away."),
  ttl_seconds: z
    .int()
    .min(0)
    .max(31_536_000)
    .optional()
    .describe("The entity goes after so many seconds unless this is said again; 0 ends such a limit."),
  expected_version: z
    .int()
    .min(0)
    .optional()
    .describe("Only if the entity has this version (see flux_get); 0: only if there is no such entity."),
  stream: stream.optional().describe('The kind of event, such as sensors or agents.status; by default "agents".'),
  source: source.optional().describe("Who says so; by default this agent."),
};

/** A version conflict, with what is there instead, as far as this turn may see it. */
async function conflict(
  refusal: AgentruxError,
  entity: string,
  context: ToolContext,
  signal: AbortSignal,
): Promise<ToolResult> {
  const reader = await readerFor(context);
  const current = await reader.entity(entity, signal).catch(() => undefined);
  // What the refusal itself says is what was compared; a look comes later, and a large entity is not in it.
  const version = (refusal.details as ConflictDetails | undefined)?.version ?? current?.version;
  const absent =
    version === undefined || version > 0 ? "What is there now is not to be seen." : "There is no such entity.";
  const what = current === undefined ? absent : `There now:\n${showEntities([current], context)}`;
  return { text: what, details: version === undefined ? {} : { current_version: version }, error: refusal };
}

async function done(
  published: Published,
  event: ReturnType<typeof eventOf>,
  client: FluxClient,
  signal: AbortSignal,
): Promise<ToolResult> {
  const { entity_id: id, properties: written } = event.payload;
  const { version, warning, eventId } = published;
  const details = { event_id: cleanLine(eventId, 80), entity: cleanLine(id, 200) };
  if (warning !== undefined) {
    return { text: `Accepted, but: ${cleanLine(warning, 200)}`, details: { ...details, changed: false } };
  }
  const wanted = version === undefined ? { id, properties: written } : { id, version };
  const visible = await becomesVisible(client, wanted, signal);
  const at = version === undefined ? "" : `, now version ${version}`;
  const seen = visible ? "" : "\nThe state does not show it yet; flux_get a little later will.";
  return {
    text: `Published to "${cleanLine(id, 200)}"${at} (event_id: ${details.event_id}).${seen}`,
    details: { ...details, ...(version === undefined ? {} : { version }), visible },
  };
}

export const fluxPublishTool = defineTool({
  name: "flux_publish",
  label: "Publish to the world state",
  description:
    "Publishes an observation about one entity of the shared world state (Flux), for other agents and programs to read. Send only the properties that changed. Everybody may be able to read it: nothing secret.",
  parameters: z.strictObject({
    ...eventParameters,
    event_id: z
      .string()
      .max(64)
      .optional()
      .describe("Only to repeat a call whose outcome is not known: the event_id it named."),
  }),
  aliases: { entity_id: "entity", id: "entity" },
  topicTurn: { world: "write" },
  quotesStrangers: true,
  writes: ({ entity }) => [{ id: entity }],
  cure: writeCure,
  async run({ event_id: repeated, ...said }, context, signal, progress) {
    const now = Date.now();
    const eventId = repeated ?? newEventId(now);
    const event = eventOf(said, eventId, repeated === undefined ? now : timeOfRepeated(repeated), context);
    const client = await context.world();
    await requirePublishable([event], client, context, signal);
    progress("publishing to the world state");
    let published: Published;
    try {
      published = await client.publish(event, signal);
    } catch (error) {
      if (isAgentruxError(error, "conflict")) return await conflict(error, said.entity, context, signal);
      if (!isAgentruxError(error) || error.kind !== "unknown") throw error;
      const text = `On an AgenTrux hub the same call with event_id "${eventId}" is safe: it counts once.`;
      return { text, details: { event_id: eventId }, error: outOfTime(error) };
    }
    return await done(published, event, client, signal);
  },
});
