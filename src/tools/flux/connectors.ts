/**
 * `flux_connectors`: which outside sources the world-state server has a credential for. Storing one is not for a model: the
 * credential would stand in its transcript.
 */

import { z } from "zod";
import { cleanLine } from "../../guard/text.ts";
import { defineTool } from "../tool.ts";
import { readCure } from "./cure.ts";

export const fluxConnectorsTool = defineTool({
  name: "flux_connectors",
  label: "Connectors of the world state",
  description:
    "Tells which connectors (github, gmail, ...) the world-state server (Flux) has a credential for. It cannot store one: your owner does that, in the hub's console or with the flux skill's script, and the credential never passes through a conversation.",
  parameters: z.strictObject({
    connector: z.string().min(1).max(64).optional().describe("Only this one; by default all of them."),
  }),
  aliases: { name: "connector" },
  topicTurn: "never",
  replaySafe: true,
  cure: readCure,
  async run({ connector }, context, signal) {
    const client = await context.world();
    const found =
      connector === undefined ? await client.connectors(signal) : [await client.connector(connector, signal)];
    const connectors = found.map(({ name, enabled, status }) => ({
      name: cleanLine(name, 64),
      enabled,
      status: cleanLine(status, 40),
    }));
    const lines = connectors.map(({ name, status }) => `${name}: ${status}`);
    const how = "A credential is stored by your owner: flux.sh connector-token NAME < FILE.";
    return { text: [...lines, how].join("\n"), details: { connectors } };
  },
});
