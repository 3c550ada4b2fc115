/** One life of an account's process: from its start to its end, whoever ends it. */

import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, openSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { inject } from "vitest";
import type { AccountState } from "../../../src/account/state.ts";
import type { FailpointName } from "../../../src/failpoint.ts";
import type { FromAccount, Health, ToAccount } from "./protocol.ts";

const CRASH_AT = new URL("../fixtures/crash-at.ts", import.meta.url);
/** Longer than anything waited for here takes on a machine that is busy. */
const PATIENCE_MS = 90_000;

/** Where a process dies. See fixtures/crash-at.ts. */
export interface CrashPoint {
  readonly point?: FailpointName;
  readonly operation?: string;
  readonly dead?: true;
  readonly rename?: string;
}

export interface LifeOptions {
  /** Holds the account's home, its log, and the log of its turns. */
  readonly dir: string;
  readonly keys: object;
  /** Where Node keeps what it has compiled: a start takes half the time. */
  readonly compileCache: string;
  /** Dies there at the n-th pass. */
  readonly crash?: CrashPoint & { readonly pass: number };
}

/** How a process ended. */
export interface End {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The place it says it died at. */
  readonly mark: string | undefined;
}

export const turnLogOf = (dir: string): string => join(dir, "turns.jsonl");
export const homeOf = (dir: string): string => join(dir, "home", ".agentrux");

export class Life {
  readonly end: Promise<End>;
  turns = 0;
  state: AccountState | undefined;
  readonly #child: ChildProcess;
  readonly #changes = new EventTarget();
  #health: Health | undefined;

  constructor({ dir, keys, compileCache, crash }: LifeOptions) {
    const mark = join(dir, "mark");
    rmSync(mark, { force: true });
    const log = openSync(join(dir, "account.log"), "a");
    this.#child = fork(inject("account"), [homeOf(dir), turnLogOf(dir), JSON.stringify(keys)], {
      execArgv: crash === undefined ? [] : ["--import", preloadOf({ ...crash, mark })],
      env: { ...process.env, NODE_COMPILE_CACHE: compileCache },
      stdio: ["ignore", log, log, "ipc"],
    });
    closeSync(log);
    this.#child.on("message", (message: FromAccount) => this.#hear(message));
    this.end = once(this.#child, "exit").then(([code, signal]) => ({
      code: code as number | null,
      signal: signal as NodeJS.Signals | null,
      mark: existsSync(mark) ? readFileSync(mark, "utf8") : undefined,
    }));
  }

  #hear(message: FromAccount): void {
    if (message.kind === "turn") this.turns += 1;
    else if (message.kind === "state") this.state = message.state;
    else this.#health = message.health;
    this.#changes.dispatchEvent(new Event(message.kind));
  }

  /** Waits until `check` holds; it is looked at after each message of the account. @throws when the process ends first */
  async until(what: string, check: () => boolean): Promise<void> {
    const gone = this.end.then(({ code, signal }) => {
      throw new Error(`the account ended (${signal ?? code}) before ${what}`);
    });
    const seen = new Promise<void>((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`waited in vain: ${what}`)), PATIENCE_MS);
      const look = (): void => {
        if (!check()) return;
        clearTimeout(late);
        for (const kind of ["turn", "state", "health"]) this.#changes.removeEventListener(kind, look);
        resolve();
      };
      for (const kind of ["turn", "state", "health"]) this.#changes.addEventListener(kind, look);
      look();
    });
    await Promise.race([seen, gone]);
  }

  /** Waits for the end at a place. @throws when it does not come: the place is not passed */
  async reached(place: string): Promise<void> {
    const late = new AbortController();
    const never = sleep(PATIENCE_MS, undefined, { signal: late.signal }).then(() => {
      throw new Error(`never passed: ${place}`);
    });
    await Promise.race([this.end, never]);
    late.abort();
    never.catch(() => undefined);
  }

  ready(): Promise<void> {
    return this.until("it was ready", () => this.state?.kind === "ready");
  }

  /** What it says of itself; undefined while no session is up. */
  async health(): Promise<Health | undefined> {
    const answered = once(this.#changes, "health", { signal: AbortSignal.timeout(PATIENCE_MS) });
    const question: ToAccount = "health";
    this.#child.send(question);
    await Promise.race([answered, this.end]);
    return this.#health;
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  terminate(): void {
    this.#child.kill("SIGTERM");
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }
}

function preloadOf(wanted: Readonly<Record<string, string | number | true | undefined>>): string {
  const url = new URL(CRASH_AT);
  for (const [name, value] of Object.entries(wanted))
    if (value !== undefined) url.searchParams.set(name, String(value));
  return url.href;
}
