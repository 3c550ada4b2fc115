/** Owns finding the topic or script that an operand names, by id or by name. */
import type { ConsoleScript, ConsoleTopic } from "agentrux-wire";
import { bareTopicId, consoleScriptSchema, consoleTopicSchema } from "agentrux-wire";
import { z } from "zod";
import type { AdminClient } from "./admin-client.ts";
import { CliError } from "./io.ts";

export const topicListSchema = z.looseObject({ topics: z.array(consoleTopicSchema) });
export const scriptListSchema = z.looseObject({ scripts: z.array(consoleScriptSchema) });

/** @throws CliError NOT_FOUND */
export async function findTopic(client: AdminClient, nameOrId: string): Promise<ConsoleTopic> {
  const { topics } = await client.get("/console/topics", topicListSchema);
  const id = bareTopicId(nameOrId).toLowerCase();
  const found = topics.find((topic) => topic.topic_id === id) ?? topics.find((topic) => topic.name === nameOrId);
  if (found !== undefined) return found;
  throw new CliError("NOT_FOUND", `There is no topic ${nameOrId}. \`agentrux-hub topic list\` shows all topics.`);
}

/** @throws CliError NOT_FOUND, and AMBIGUOUS when several scripts have the name */
export async function findScript(client: AdminClient, nameOrId: string): Promise<ConsoleScript> {
  const { scripts } = await client.get("/console/scripts", scriptListSchema);
  const byId = scripts.find((script) => script.script_id === nameOrId);
  if (byId !== undefined) return byId;
  const [found, second] = scripts.filter((script) => script.name === nameOrId);
  if (found === undefined) {
    throw new CliError("NOT_FOUND", `There is no script ${nameOrId}. \`agentrux-hub script list\` shows all scripts.`);
  }
  if (second === undefined) return found;
  throw new CliError("AMBIGUOUS", `Several scripts are called ${nameOrId}. Give the script_id instead.`);
}
