/**
 * `flux_watch` and `flux_unwatch`: what the agent wants to be woken for. A watch lasts beyond the conversation and costs turns,
 * so no turn from a topic may add one, nor a turn that a watch started: they would breed.
 */

import { z } from "zod";
import type { Condition } from "../../config/condition.ts";
import { type FluxWatch, parseWatch } from "../../config/flux.ts";
import { AgentruxError } from "../../errors.ts";
import type { WatchInfo, WatchRegistry } from "../../flux/watch/types.ts";
import { cleanLine } from "../../guard/text.ts";
import { defineTool, type ToolContext } from "../tool.ts";
import { ENTITY_ID_MAX_CHARS } from "./parameters.ts";
import { showLines } from "./show.ts";

/** @throws AgentruxError `stopped` */
function registryOf(context: ToolContext): WatchRegistry {
  const watches = context.watches();
  if (watches !== undefined) return watches;
  throw new AgentruxError(
    "stopped",
    "Watches are kept by a running gateway, and this account does not run in this process",
  );
}

function conditionText(condition: Condition): string {
  if (condition.kind !== "compare") return condition.kind;
  return `${condition.property ?? ""} ${condition.operator} ${JSON.stringify(condition.operand)}`.trim();
}

function shownWatch({ definition, origin, state, problem, entities, lastToldAt }: WatchInfo): string {
  const { id, target, property, condition, instruction } = definition;
  return JSON.stringify({
    id,
    ...target,
    property,
    when: conditionText(condition),
    instruction,
    by: origin,
    state,
    problem,
    entities,
    last_woken: lastToldAt === undefined ? undefined : new Date(lastToldAt).toISOString(),
  });
}

function facts({ definition, origin, state, entities }: WatchInfo): Record<string, string | number> {
  return { id: cleanLine(definition.id, 64), by: origin, state, entities };
}

function listing(registry: WatchRegistry, context: ToolContext) {
  const watches = registry.list();
  const shown = watches.length === 0 ? "Nothing is watched." : showLines(watches.map(shownWatch), context);
  return { text: shown, details: { watches: watches.map(facts) } };
}

/** A name for a watch whose author gave none, the same for the same thing. */
function idFor(target: string): string {
  const plain = target
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .replaceAll(/^-|-$/g, "");
  return plain.slice(0, 60) || "watch";
}

export const fluxWatchTool = defineTool({
  name: "flux_watch",
  label: "Watch the world state",
  description:
    "Watches an entity, a prefix or a namespace of the shared world state (Flux) and wakes you with what changed, before and after, until flux_unwatch, also after restarts. What is there already wakes nobody. Without entity, prefix and namespace it lists what is watched.",
  parameters: z.strictObject({
    entity: z.string().min(1).max(ENTITY_ID_MAX_CHARS).optional().describe("One entity: namespace/name."),
    prefix: z.string().min(1).max(ENTITY_ID_MAX_CHARS).optional().describe("Instead: every id that begins so."),
    namespace: z.string().max(32).optional().describe("Instead: a whole namespace."),
    property: z.string().min(1).max(255).optional().describe("Only this property counts."),
    when: z
      .string()
      .max(500)
      .optional()
      .describe('"changed" (default), "appeared", "gone", or a comparison such as "temperature > 30".'),
    instruction: z
      .string()
      .max(4_000)
      .optional()
      .describe("What you want to do then; you are told it with the change."),
    id: z.string().max(64).optional().describe("A name for the watch; by default made of what is watched."),
    cooldown_seconds: z
      .int()
      .min(0)
      .max(86_400)
      .optional()
      .describe("At least so long between two turns about one entity."),
    turns_per_hour: z.int().min(1).max(3_600).optional().describe("No more turns than that."),
  }),
  aliases: { entity_id: "entity" },
  topicTurn: "never",
  quotesStrangers: true,
  async run({ id, cooldown_seconds: cooldown, turns_per_hour: turns, ...said }, context) {
    const registry = registryOf(context);
    const target = said.entity ?? said.prefix ?? said.namespace;
    if (target === undefined) return listing(registry, context);
    const watch: FluxWatch | string = parseWatch({
      id: id ?? idFor(target),
      ...said,
      ...(cooldown === undefined ? {} : { cooldownSeconds: cooldown }),
      ...(turns === undefined ? {} : { turnsPerHour: turns }),
    });
    if (typeof watch === "string") throw new AgentruxError("invalid", `flux_watch: ${watch}`);
    const info = await registry.add(watch, "agent");
    return {
      text: `Watching as "${info.definition.id}": ${conditionText(info.definition.condition)}. You are woken when it happens.`,
      details: { watch: facts(info) },
    };
  },
  cure: (error) =>
    error.code === "conflict" ? "Give another id, or end that watch with flux_unwatch first." : undefined,
});

export const fluxUnwatchTool = defineTool({
  name: "flux_unwatch",
  label: "Stop watching the world state",
  description:
    "Ends a watch that flux_watch has begun. Watches of the configuration are your owner's and stay. flux_watch without parameters lists them all.",
  parameters: z.strictObject({ id: z.string().min(1).max(64).describe("The watch's id.") }),
  topicTurn: "never",
  async run({ id }, context) {
    if (!(await registryOf(context).remove(id))) {
      throw new AgentruxError("not_found", `There is no watch "${cleanLine(id, 64)}"`);
    }
    return { text: `"${cleanLine(id, 64)}" is no longer watched.`, details: { id: cleanLine(id, 64) } };
  },
  cure: (error) => (error.code === "not_found" ? "flux_watch without parameters lists what is watched." : undefined),
});
