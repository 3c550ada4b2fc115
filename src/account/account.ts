/**
 * Owns one account's life, from the host's start to its stop.
 *
 *     starting --+-- configuration at fault ------------> blocked, until the configuration changes
 *                +-- no credentials, rejected code -----> blocked, until a BOOTSTRAP.md or credentials.json appears
 *                +-- activation could not be tried -----> recovering, tried again
 *                +-- credentials -----------------------> a session (session.ts)
 *
 * While it lives, its folder is watched: a dropped BOOTSTRAP.md is activated, and credentials that change on disk end
 * the session and begin another with them. The promise of `runAccount` is the account's lifetime: it stays pending
 * whatever goes wrong, because the host restarts an account that returns.
 */

import { activate, type Activation, keepSaving } from "../activation/activate.ts";
import { redeemOverHttp } from "../activation/redeem.ts";
import { isTransientActivation } from "../activation/ritual.ts";
import { watchAccount } from "../activation/watch.ts";
import { type AccountPaths, accountPaths } from "../credentials/home.ts";
import { saveFluxUrl } from "../credentials/flux-url.ts";
import type { StoredCredentials } from "../credentials/schema.ts";
import { errorText } from "../errors.ts";
import { retryDelayMs } from "../service/backoff.ts";
import { systemClock, systemSleep } from "../service/clock.ts";
import { aborted } from "./aborted.ts";
import { fluxHubUrl } from "./service-url.ts";
import { runSession } from "./session.ts";
import type { AccountOptions } from "./types.ts";

/** Short, because a person may have dropped a better code meanwhile. */
const ACTIVATION_BACKOFF = { baseMs: 1_000, capMs: 15_000 } as const;

/** Lives until `signal` aborts and everything accepted is settled. Rejects only where there is no home directory. */
export async function runAccount(options: AccountOptions): Promise<void> {
  const { config, setState, log, signal } = options;
  if (config.problems.length > 0) {
    for (const problem of config.problems) log.error(`[agentrux] ${problem}`);
    setState({ kind: "blocked", reason: config.problems.join("; ") });
    return await aborted(signal);
  }
  setState({ kind: "starting" });
  await new Account(options, options.paths ?? accountPaths(config.accountId)).run();
}

class Account {
  readonly #options: AccountOptions;
  readonly #paths: AccountPaths;
  #credentials: StoredCredentials | undefined;
  #changed = new AbortController();

  constructor(options: AccountOptions, paths: AccountPaths) {
    this.#options = options;
    this.#paths = paths;
  }

  async run(): Promise<void> {
    const { signal } = this.#options;
    await this.#firstActivation();
    const watching = this.#watch();
    while (!signal.aborted) {
      const credentials = this.#credentials;
      this.#changed = new AbortController();
      const until = AbortSignal.any([signal, this.#changed.signal]);
      await this.#tellSkill(credentials);
      if (credentials === undefined) await aborted(until);
      else await runSession({ ...this.#options, credentials, paths: this.#paths, signal: until });
    }
    await watching;
  }

  /** Without it the skill asks for FLUX_URL; no reason to stop. */
  async #tellSkill(credentials: StoredCredentials | undefined): Promise<void> {
    const { config, log } = this.#options;
    try {
      await saveFluxUrl(this.#paths, fluxHubUrl(credentials, config));
    } catch (error) {
      log.warn(`[agentrux] the Flux skill is not told where the hub is: ${errorText(error)}`);
    }
  }

  async #firstActivation(): Promise<void> {
    const { signal, setState } = this.#options;
    for (let attempt = 0; !signal.aborted; attempt++) {
      try {
        return this.#adopt(await this.#activate());
      } catch (error) {
        if (!isTransientActivation(error)) return setState({ kind: "blocked", reason: errorText(error) });
        setState({ kind: "recovering", reason: errorText(error) });
        const delayMs = retryDelayMs(error, attempt, ACTIVATION_BACKOFF, Math.random);
        await systemSleep(delayMs, signal).catch(() => undefined);
      }
    }
  }

  #activate(): Promise<Activation> {
    const { config, log, signal } = this.#options;
    const redeem = redeemOverHttp(config.baseUrl);
    return activate({ paths: this.#paths, baseUrl: config.baseUrl, redeem, now: () => new Date(), signal, log });
  }

  #adopt(activation: Activation): void {
    const { log, setState, signal } = this.#options;
    if (activation.kind === "disabled") {
      if (this.#credentials === undefined) setState({ kind: "blocked", reason: activation.reason });
      return;
    }
    if (activation.unsaved) {
      void keepSaving(activation.unsaved, { sleep: systemSleep, random: Math.random, log, signal });
    }
    this.#use(activation.credentials);
  }

  #use(credentials: StoredCredentials): void {
    if (JSON.stringify(credentials) === JSON.stringify(this.#credentials)) return;
    this.#credentials = credentials;
    this.#changed.abort();
  }

  #watch(): Promise<void> {
    const { log, signal } = this.#options;
    return watchAccount({
      paths: this.#paths,
      known: this.#credentials,
      onBootstrap: async () => this.#adopt(await this.#activate()),
      onCredentials: async (loaded) => {
        if (loaded.kind === "ok") {
          log.info("[agentrux] credentials.json has changed, using it now");
          this.#use(loaded.credentials);
        } else if (this.#credentials !== undefined) {
          const what = loaded.kind === "missing" ? "is gone" : `cannot be used: ${loaded.reason}`;
          log.warn(`[agentrux] credentials.json ${what}; going on with the credentials in memory until the next start`);
        }
      },
      clock: systemClock,
      sleep: systemSleep,
      random: Math.random,
      log,
      signal,
    });
  }
}
