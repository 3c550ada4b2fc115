/** `flux_admin_config`: the world-state server's limits, for the owner. */

import { fluxConfigSchema } from "agentrux-wire";
import { z } from "zod";
import { AgentruxError } from "../../errors.ts";
import { defineTool } from "../tool.ts";
import { writeCure } from "./cure.ts";

const limits = fluxConfigSchema.shape;

export const fluxAdminConfigTool = defineTool({
  name: "flux_admin_config",
  label: "Limits of the world-state server",
  description:
    "Shows the limits of the world-state server (Flux), or changes those that are given. Only when your owner asks for it: they hold for everybody who uses the server.",
  parameters: z.strictObject({
    rate_limit_enabled: limits.rate_limit_enabled.optional().describe("Whether writes are limited at all."),
    rate_limit_per_namespace_per_minute: limits.rate_limit_per_namespace_per_minute
      .optional()
      .describe("Writes a minute for each namespace."),
    body_size_limit_single_bytes: limits.body_size_limit_single_bytes.optional().describe("Largest single event."),
    body_size_limit_batch_bytes: limits.body_size_limit_batch_bytes.optional().describe("Largest batch."),
  }),
  optional: true,
  ownerOnly: true,
  topicTurn: "never",
  cure: (error) =>
    error.code === "unauthorized" ? "The server does not take flux.adminToken; tell the operator." : writeCure(error),
  async run(change, context, signal) {
    const client = await context.world();
    const isChange = Object.values(change).some((value) => value !== undefined);
    if (isChange && client.server.adminToken === undefined) {
      throw new AgentruxError("config", "Changing the limits needs flux.adminToken, which is not configured");
    }
    const given = Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
    const now = isChange ? await client.updateConfig(given, signal) : await client.config(signal);
    const lines = Object.entries(now).map(([name, value]) => `${name}: ${value}`);
    return { text: lines.join("\n"), details: { ...now, changed: isChange } };
  },
});
