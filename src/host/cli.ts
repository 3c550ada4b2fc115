/** `openclaw agentrux ...`: tells the host that it exists. The commands themselves are loaded when one is called. */

import type { OpenClawPluginApi } from "openclaw/plugin-sdk/core";

/** The command as the host's root help shows it; the manifest says the same. */
const DESCRIPTOR = {
  name: "agentrux",
  description: "Look after the AgenTrux channel: status, activation, requests, topics, open work, doctor",
  hasSubcommands: true,
};

export function registerCli(api: OpenClawPluginApi): void {
  api.registerCli(
    async ({ program, config }) => {
      const { buildProgram } = await import("./cli-program.ts");
      buildProgram(program.command(DESCRIPTOR.name).description(DESCRIPTOR.description), config);
    },
    { descriptors: [DESCRIPTOR] },
  );
}
