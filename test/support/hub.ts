/** A real hub process for tests, with access tokens as short-lived as a test wants them. */

import path from "node:path";
import { Hub } from "../../scripts/lib/hub.ts";

/** Starts a hub on a free port, with its data and its log in `dir`. `extraArgs`: see hub-main.ts. */
export function startTestHub(dir: string, extraArgs: readonly string[] = []): Promise<Hub> {
  return Hub.start({
    dataDir: path.join(dir, "hub"),
    port: 0,
    logFile: path.join(dir, "hub.log"),
    program: path.join(import.meta.dirname, "hub-main.ts"),
    extraArgs,
  });
}

/** Starts a stopped hub again; `accessTokenMs` is how long the tokens it issues from now on live. */
export function restartTestHub(hub: Hub, accessTokenMs = 3_600_000): Promise<Hub> {
  return hub.again({ extraArgs: ["--access-token-ms", String(accessTokenMs)] });
}
