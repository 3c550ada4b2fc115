/**
 * Owns one account's life, from the host's start to its stop.
 *
 *     starting --+-- configuration at fault ------------> blocked, until the configuration changes
 *                +-- no credentials, rejected code -----> blocked, until a BOOTSTRAP.md or credentials.json appears
 *                +-- activation could not be tried -----> recovering, tried again after a rest
 *                +-- credentials -----------------------> a session (session.ts)
 *
 * While it lives, its folder is watched: a dropped BOOTSTRAP.md is activated, and credentials that change on disk end
 * the session and begin another with them. The promise of `runAccount` is the account's lifetime: it stays pending
 * whatever goes wrong, because the host restarts an account that returns.
 */

import { activate, type Activation, keepSaving } from "../activation/activate.ts";
import { redeemOverHttp } from "../activation/redeem.ts";
import { isTransientActivation } from "../activation/ritual.ts";
import { type FailedActivation, lookAt, watchAccount } from "../activation/watch.ts";
import { type AccountPaths, accountPaths } from "../credentials/home.ts";
import { saveFluxUrl } from "../credentials/flux-url.ts";
import type { StoredCredentials } from "../credentials/schema.ts";
import { errorText } from "../errors.ts";
import { systemClock, systemSleep } from "../service/clock.ts";
import { aborted } from "./aborted.ts";
import { fluxHubUrl } from "./service-url.ts";
import { runSession } from "./session.ts";
import type { AccountOptions } from "./types.ts";

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
    const watching = this.#watch(await this.#firstActivation());
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

  /** Tried once: what comes next, the watch decides, which also sees another code and credentials. */
  async #firstActivation(): Promise<FailedActivation | undefined> {
    const look = await lookAt(this.#paths.bootstrap);
    try {
      await this.#activate();
      return undefined;
    } catch (error) {
      return { look, error };
    }
  }

  async #activate(): Promise<void> {
    const { config, log, signal, setState } = this.#options;
    const redeem = redeemOverHttp(config.baseUrl);
    const options = { paths: this.#paths, baseUrl: config.baseUrl, redeem, now: () => new Date(), signal, log };
    try {
      this.#adopt(await activate(options));
    } catch (error) {
      const kind = isTransientActivation(error) ? "recovering" : "blocked";
      if (this.#credentials === undefined) setState({ kind, reason: errorText(error) });
      throw error;
    }
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

  #watch(failed: FailedActivation | undefined): Promise<void> {
    const { log, signal } = this.#options;
    return watchAccount({
      paths: this.#paths,
      known: this.#credentials,
      failed,
      onBootstrap: () => this.#activate(),
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
