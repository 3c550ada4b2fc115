/**
 * `agentrux_activate`: a one-time code becomes this account's credentials.
 *
 * The code goes the way every code goes: into `BOOTSTRAP.md`, where exactly one claimer takes it, be it this call or
 * the account that watches its folder. Existing credentials are never replaced, and the service is the configured one
 * only: an agent that was talked into "activating" stays where its operator put it (W36).
 */

import { writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { keepSaving } from "../activation/activate.ts";
import { findCode } from "../activation/code.ts";
import { redeemOverHttp } from "../activation/redeem.ts";
import { runRitual } from "../activation/ritual.ts";
import { withoutTrailingSlash } from "../credentials/schema.ts";
import type { AccountPaths } from "../credentials/home.ts";
import { diskError, ensurePrivateDirectories, errnoOf, PRIVATE_FILE_MODE } from "../credentials/private-files.ts";
import { readSmallFile } from "../credentials/read.ts";
import { loadCredentials } from "../credentials/store.ts";
import { AgentruxError } from "../errors.ts";
import { systemSleep } from "../service/clock.ts";
import { defineTool, type ToolResult } from "./tool.ts";

const LOOK_EVERY_MS = 200;

async function refuseOverCredentials(paths: AccountPaths): Promise<void> {
  if ((await loadCredentials(paths)).kind !== "ok") return;
  throw new AgentruxError(
    "conflict",
    "This account is connected already; its credentials are not replaced. To activate anew the operator has to delete credentials.json first",
  );
}

function refuseForeignUrl(wanted: string | undefined, configured: string): void {
  if (wanted === undefined || withoutTrailingSlash(wanted.trim()) === configured) return;
  throw new AgentruxError("not_allowed", `The service is ${configured}, and only the operator can configure another`);
}

/** A claimed file holds the code and nothing else; a person's own file is never touched. */
async function drop(paths: AccountPaths, code: string): Promise<void> {
  await ensurePrivateDirectories([paths.base, paths.dir]);
  try {
    await writeFile(paths.bootstrap, `${code}\n`, { flag: "wx", mode: PRIVATE_FILE_MODE });
  } catch (error) {
    if (errnoOf(error) === "EEXIST") {
      throw new AgentruxError("conflict", `Another code is waiting already in ${paths.bootstrap}`, { cause: error });
    }
    throw diskError(`cannot write ${paths.bootstrap}`, error);
  }
}

function connected(scriptId: string | undefined, grants: readonly { topicId: string; action: string }[]): ToolResult {
  const topics = grants.map(({ topicId, action }) => `\n  - ${topicId} (${action})`).join("");
  return {
    text: `Connected to AgenTrux!\nScript ID: ${scriptId ?? "not told"}${topics === "" ? "" : `\nTopics:${topics}`}`,
    details: { ...(scriptId === undefined ? {} : { script_id: scriptId }), grants },
  };
}

async function exists(path: string): Promise<boolean> {
  return readSmallFile(path).then(
    () => true,
    () => false,
  );
}

/** The account that runs here was quicker to claim the code: its outcome is ours. */
async function outcomeOfOther(paths: AccountPaths, signal: AbortSignal): Promise<ToolResult> {
  for (;;) {
    const loaded = await loadCredentials(paths);
    if (loaded.kind === "ok") return connected(loaded.credentials.scriptId, []);
    if (!(await exists(paths.bootstrap)) && !(await exists(paths.inflight))) {
      throw new AgentruxError("invalid", "The code was rejected; the log and the quarantined file say why");
    }
    await sleep(LOOK_EVERY_MS, undefined, { signal });
  }
}

export const activateTool = defineTool({
  name: "agentrux_activate",
  label: "Activate AgenTrux",
  description:
    "Connects this account to AgenTrux with a one-time activation code that your owner gives you. Only when your owner asks for it, and only once: a code is spent by being tried.",
  parameters: z.object({
    activation_code: z.string().min(1).max(256).describe("The code, beginning with ac_ or act_."),
    base_url: z.string().max(512).optional().describe("The configured service; any other is refused."),
  }),
  optional: true,
  ownerOnly: true,
  topicTurn: "never",
  worksUnconfigured: true,
  async run({ activation_code, base_url }, { account, paths }, signal) {
    refuseForeignUrl(base_url, account.baseUrl);
    const found = findCode(activation_code);
    if (found.kind !== "found") {
      throw new AgentruxError("invalid", found.kind === "malformed" ? found.reason : "A code begins with ac_ or act_");
    }
    await refuseOverCredentials(paths);
    await drop(paths, found.code);
    const { baseUrl } = account;
    const outcome = await runRitual({ paths, baseUrl, redeem: redeemOverHttp(baseUrl), now: () => new Date(), signal });
    switch (outcome.kind) {
      case "ok": {
        const { credentials, grants, saved } = outcome;
        if (saved.kind === "unsaved") {
          const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
          void keepSaving(saved, {
            sleep: systemSleep,
            random: Math.random,
            log,
            signal: new AbortController().signal,
          });
          throw new AgentruxError(
            "disk",
            "Activated, but credentials.json cannot be written; trying on in this process",
          );
        }
        return connected(credentials.scriptId, grants);
      }
      case "no-file":
        return await outcomeOfOther(paths, signal);
      case "creds-already-present":
        throw new AgentruxError("conflict", "This account was connected meanwhile; the code was not tried");
      case "permanent-failure":
        throw new AgentruxError("invalid", `Activation failed: ${outcome.errorCode}: ${outcome.errorMessage}`, {
          kind: "refused",
          status: outcome.httpStatus,
        });
      case "validation-failure":
        throw new AgentruxError("invalid", outcome.reason);
    }
  },
});
