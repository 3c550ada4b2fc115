/**
 * Owns how an account gets its credentials at start, and again whenever a bootstrap file appears: the ritual first, on
 * every start (W28), then what is on disk; and the log of it all.
 */

import type { AccountPaths } from "../credentials/home.ts";
import { ensurePrivateDirectories } from "../credentials/private-files.ts";
import type { StoredCredentials } from "../credentials/schema.ts";
import { loadCredentials, type UnsavedCredentials } from "../credentials/store.ts";
import { errorText } from "../errors.ts";
import { retryDelayMs } from "../service/backoff.ts";
import type { Random, Sleep } from "../service/clock.ts";
import { inflightFiles } from "./claim.ts";
import { type Log, type LogLine, noCredentialsLines, orphanLine, outcomeLines } from "./report.ts";
import { type RitualOptions, type RitualOutcome, runRitual } from "./ritual.ts";

export interface ActivateOptions extends RitualOptions {
  readonly log: Log;
}

export type Activation =
  | {
      readonly kind: "ready";
      readonly credentials: StoredCredentials;
      readonly outcome: RitualOutcome["kind"];
      /** Present when the credentials are only in memory: pass it to {@link keepSaving}. */
      readonly unsaved?: UnsavedCredentials;
    }
  /** The account cannot start until a person acts. `reason` is fit for a status line. */
  | { readonly kind: "disabled"; readonly reason: string; readonly outcome: RitualOutcome["kind"] };

/**
 * Gets an account's credentials, activating a dropped code on the way. Logs what happened.
 *
 * Existing credentials next to a `BOOTSTRAP.md` go on working; only the file is quarantined.
 *
 * @throws AgentruxError where a retry may help (`retryable`), after logging it; the code is not lost then.
 */
export async function activate(options: ActivateOptions): Promise<Activation> {
  const { paths, log } = options;
  try {
    const findings = await ensurePrivateDirectories([paths.base, paths.dir]);
    for (const finding of findings) log.warn(`[agentrux] ${finding.text}.`);
    const outcome = await runRitual(options);
    write(log, outcomeLines(outcome, paths));
    const activation = await conclude(outcome, paths, log);
    for (const orphan of await inflightFiles(paths)) {
      write(log, [orphanLine(orphan, paths, activation.kind === "ready")]);
    }
    return activation;
  } catch (error) {
    log.error(`[agentrux] ${errorText(error)}`);
    throw error;
  }
}

/** Tries to store credentials that are only in memory until it works or `signal` aborts. Never rejects. */
export async function keepSaving(
  unsaved: UnsavedCredentials,
  ports: { readonly sleep: Sleep; readonly random: Random; readonly log: Log; readonly signal: AbortSignal },
): Promise<void> {
  for (let attempt = 0; !ports.signal.aborted; attempt++) {
    try {
      await ports.sleep(retryDelayMs(unsaved.cause, attempt, SAVE_BACKOFF, ports.random), ports.signal);
    } catch {
      return;
    }
    try {
      await unsaved.retry();
      ports.log.info("[agentrux] The credentials are stored now.");
      return;
    } catch (error) {
      ports.log.error(`[agentrux] The credentials still cannot be stored: ${errorText(error)}`);
    }
  }
}

const SAVE_BACKOFF = { baseMs: 1_000, capMs: 60_000 } as const;

async function conclude(outcome: RitualOutcome, paths: AccountPaths, log: Log): Promise<Activation> {
  switch (outcome.kind) {
    case "ok": {
      const { credentials, saved } = outcome;
      return { kind: "ready", credentials, outcome: "ok", ...(saved.kind === "unsaved" && { unsaved: saved }) };
    }
    case "creds-already-present":
      return { kind: "ready", credentials: outcome.credentials, outcome: outcome.kind };
    case "permanent-failure": {
      const reason = `the activation code was rejected (HTTP ${outcome.httpStatus} ${outcome.errorCode})`;
      return { kind: "disabled", reason, outcome: outcome.kind };
    }
    case "validation-failure":
      return { kind: "disabled", reason: `BOOTSTRAP.md is malformed: ${outcome.reason}`, outcome: outcome.kind };
    case "no-file":
      return await fromDisk(paths, log);
  }
}

async function fromDisk(paths: AccountPaths, log: Log): Promise<Activation> {
  const loaded = await loadCredentials(paths);
  for (const finding of loaded.findings) log.warn(`[agentrux] ${finding.text}.`);
  switch (loaded.kind) {
    case "ok":
      return { kind: "ready", credentials: loaded.credentials, outcome: "no-file" };
    case "missing":
      write(log, noCredentialsLines(paths));
      return {
        kind: "disabled",
        reason: `no credentials: write an activation code to ${paths.bootstrap}`,
        outcome: "no-file",
      };
    case "malformed":
      log.error(`[agentrux] Credentials are malformed — channel disabled. ${loaded.reason}`);
      return { kind: "disabled", reason: `malformed credentials: ${loaded.reason}`, outcome: "no-file" };
  }
}

function write(log: Log, lines: readonly LogLine[]): void {
  for (const { level, text } of lines) log[level](text);
}
