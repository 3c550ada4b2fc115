/**
 * `openclaw agentrux rotate`: a new client secret before the old one ends. The old one is dead the moment the service
 * answers, so the write of the new one is proven beforehand, and the call is not cut off by Ctrl-C.
 */

import { keepSaving } from "../activation/activate.ts";
import { loadCredentials, prepareSave } from "../credentials/store.ts";
import { errorText, isAgentruxError } from "../errors.ts";
import { createServiceClient } from "../service/client.ts";
import { systemSleep } from "../service/clock.ts";
import { type CliContext, usableCredentials } from "./account.ts";
import { type CommandResult, done, failed, failedBy } from "./output.ts";

const CALL_TIMEOUT_MS = 30_000;

export async function rotate(context: CliContext): Promise<CommandResult> {
  const { paths, account, now, progress } = context;
  const credentials = await usableCredentials(context);
  if (credentials.generation === "b") {
    return failed(
      "unsupported",
      "Secrets of this generation are replaced in the Console: issue a new activation code there.",
    );
  }
  const save = await prepareSave(paths, () => new Date(now()));
  const client = createServiceClient(credentials);
  try {
    progress("asking for a new secret");
    const clientSecret = await client.rotateSecret(AbortSignal.timeout(CALL_TIMEOUT_MS));
    const stored = await loadCredentials(paths);
    const kept = stored.kind === "ok" ? stored.credentials : credentials;
    const saved = await save.commit({ ...kept, clientSecret });
    if (saved.kind === "unsaved") {
      const copy = saved.emergencyFile === undefined ? "" : `; a copy lies in ${saved.emergencyFile}`;
      progress(`the new secret cannot be stored${copy}; trying again. Do not stop this command`);
      const log = { info: () => {}, warn: () => {}, error: (line: string) => progress(line) };
      const { signal } = new AbortController();
      await keepSaving(saved, { sleep: systemSleep, random: Math.random, log, signal });
    }
    const text = "The client secret is replaced. A running gateway uses the new one within a second or two.";
    return done({ accountId: account.accountId, rotated: true }, [text]);
  } catch (error) {
    return isAgentruxError(error) && error.kind === "unknown" ? inDoubt(error) : failedBy(error);
  } finally {
    progress(undefined);
    await save.discard().catch(() => {});
    await client.close();
  }
}

function inDoubt(error: unknown): CommandResult {
  return failed(
    "in_doubt",
    `${errorText(error)}. Whether the old secret still works cannot be known: openclaw agentrux doctor tells. ` +
      "If it is refused, issue a new activation code.",
  );
}
