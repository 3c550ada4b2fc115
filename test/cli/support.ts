/** A command's surroundings: a place with a real hub, a home folder of its own for each account, a terminal that remembers. */

import { mkdir, writeFile } from "node:fs/promises";
import { createScript, issueActivationCode } from "../../hub/src/admin/operations.ts";
import { activateAccount } from "../../src/cli/activate.ts";
import { type CliContext, cliAccount } from "../../src/cli/account.ts";
import { plain } from "../../src/cli/paint.ts";
import { accountPaths } from "../../src/credentials/home.ts";
import type { Place } from "../account/support.ts";

export interface TestContext extends CliContext {
  /** What was shown in place, in order. */
  readonly shown: string[];
}

export function contextOf(place: Place, accountId = "default", settings: object = {}): TestContext {
  const config = { channels: { agentrux: { ...place.keys, ...settings } } };
  const shown: string[] = [];
  return {
    config,
    account: cliAccount(config, accountId),
    paths: accountPaths(accountId, place.paths.base),
    now: () => Date.now(),
    paint: plain,
    progress: (text) => void (text !== undefined && shown.push(text)),
    signal: new AbortController().signal,
    shown,
  };
}

/** Activates `accountId` with a script of its own, which by default may do what someone who asks needs. */
export async function activated(
  place: Place,
  accountId: string,
  grants: { readonly read: readonly string[]; readonly write: readonly string[] } = {
    read: [place.keys.resultTopicId],
    write: [place.keys.commandTopicId],
  },
): Promise<TestContext> {
  const script = await createScript(place.hub.deps, {
    name: accountId,
    read: [...grants.read],
    write: [...grants.write],
  });
  const { code } = await issueActivationCode(place.hub.deps, { script: script.id });
  const context = contextOf(place, accountId);
  const result = await activateAccount(context, () => Promise.resolve(code));
  if (result.exitCode !== 0) throw new Error(result.lines.join("\n"));
  return context;
}

/** How often the hub was asked for something, by its own count. */
export async function calls(place: Place, route: string): Promise<number> {
  const answer = await fetch(`${place.hub.url}/metrics`, { signal: AbortSignal.timeout(10_000) });
  const lines = (await answer.text()).split("\n");
  return lines
    .filter((line) => line.startsWith("agentrux_hub_requests_total{") && line.includes(`route="${route}"`))
    .reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
}

export async function put(path: string, text: string, mode = 0o600): Promise<void> {
  await mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true, mode: 0o700 });
  await writeFile(path, text, { mode });
}
