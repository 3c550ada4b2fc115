/**
 * One account as a process of its own, with an agent that echoes. Its settings stand in a JSON file whose path is the
 * argument. Prints a line of JSON for each state; SIGTERM stops it in order.
 */

import { readFileSync } from "node:fs";
import { runAccount } from "../../src/account/account.ts";
import { resolveAccountConfig } from "../../src/config/resolve.ts";
import { accountPaths } from "../../src/credentials/home.ts";
import type { ServiceClientOptions } from "../../src/service/client.ts";

export interface ChildSettings {
  /** The account's own folder. */
  readonly directory: string;
  /** Keys as they stand at `channels.agentrux`. */
  readonly channel: Readonly<Record<string, unknown>>;
  readonly service: Pick<ServiceClientOptions, "timeouts" | "stream">;
}

const settings = JSON.parse(readFileSync(process.argv[2] ?? "", "utf8")) as ChildSettings;
const stop = new AbortController();
process.once("SIGTERM", () => stop.abort());

const log = (line: string): void => void process.stderr.write(`${line}\n`);
await runAccount({
  config: resolveAccountConfig({ channels: { agentrux: settings.channel } }, "default"),
  runner: {
    run: ({ command }) => Promise.resolve({ kind: "replied", text: `echo: ${command.message}`, media: [] }),
    owner: () => Promise.resolve("nobody"),
  },
  log: { debug: log, info: log, warn: log, error: log },
  setState: (state) => void process.stdout.write(`${JSON.stringify(state)}\n`),
  onActivity: () => undefined,
  onRunning: () => undefined,
  paths: accountPaths("default", settings.directory),
  service: settings.service,
  signal: stop.signal,
});
