/**
 * Owns noticing files while the gateway runs: a bootstrap file is acted on within two seconds, credentials replaced on
 * disk are told (W23).
 *
 * The directory is watched, and looked at once a second besides, because watches miss files on network disks and end
 * with their directory. A file counts once it has looked the same twice, so that one still being written is left
 * alone; an empty one is never touched. One thing happens at a time. A bootstrap file whose activation failed is left
 * alone for a growing while, unless a person changes it.
 */

import { type FSWatcher, watch } from "node:fs";
import { stat } from "node:fs/promises";
import { basename } from "node:path";
import type { AccountPaths } from "../credentials/home.ts";
import { errnoOf } from "../credentials/private-files.ts";
import type { StoredCredentials } from "../credentials/schema.ts";
import { loadCredentials, type LoadResult } from "../credentials/store.ts";
import { errorText } from "../errors.ts";
import { retryDelayMs } from "../service/backoff.ts";
import type { Clock, Random, Sleep } from "../service/clock.ts";
import type { Log } from "./report.ts";
import { isTransientActivation } from "./ritual.ts";

export interface WatchOptions {
  readonly paths: AccountPaths;
  /** What the account runs with now; only something else is told. */
  readonly known: StoredCredentials | undefined;
  /** The activation at start, where it failed: that file rests from now on. */
  readonly failed?: FailedActivation | undefined;
  /** A bootstrap file is there and complete: run the ritual. Its rejection is an error that was already logged. */
  readonly onBootstrap: () => Promise<void>;
  /** What `credentials.json` says has changed. */
  readonly onCredentials: (loaded: LoadResult) => Promise<void>;
  readonly clock: Clock;
  readonly sleep: Sleep;
  readonly random: Random;
  readonly log: Log;
  readonly signal: AbortSignal;
}

export interface FailedActivation {
  /** {@link lookAt} the file before it was tried. */
  readonly look: string;
  readonly error: unknown;
}

const LOOK_INTERVAL_MS = 1_000;
/** Apart by more than the granularity of any common file time and by more than a writer's pause between two writes. */
const SETTLE_MS = 150;
const SETTLE_LOOKS_MAX = 5;
const RETRY_BACKOFF = { baseMs: 2_000, capMs: 60_000 } as const;
/** Where only a person can help, who changes the file by doing so. */
const HOPELESS_REST_MS = 300_000;

/** Watches until `signal` aborts. Never rejects. */
export async function watchAccount(options: WatchOptions): Promise<void> {
  const doorbell = new Doorbell(options);
  const bootstrap = new BootstrapWatch(options);
  const credentials = new CredentialsWatch(options);
  try {
    while (!options.signal.aborted) {
      await bootstrap.look();
      await credentials.look();
      await doorbell.wait(LOOK_INTERVAL_MS);
    }
  } finally {
    doorbell.close();
  }
}

class BootstrapWatch {
  readonly #options: WatchOptions;
  #failures = 0;
  /** The file that failed, and until when (monotonic) it is left alone. */
  #resting: { readonly look: string; readonly untilMs: number } | undefined;

  constructor(options: WatchOptions) {
    this.#options = options;
    if (options.failed !== undefined) this.#rest(options.failed);
  }

  async look(): Promise<void> {
    const { paths, onBootstrap } = this.#options;
    if (!this.#isDue(await lookAt(paths.bootstrap))) return;
    const look = await settled(paths.bootstrap, this.#options);
    if (look === undefined || !this.#isDue(look)) return;
    try {
      await onBootstrap();
      this.#failures = 0;
      this.#resting = undefined;
    } catch (error) {
      this.#rest({ look, error });
    }
  }

  #rest({ look, error }: FailedActivation): void {
    const { clock, random } = this.#options;
    const restMs = isTransientActivation(error)
      ? retryDelayMs(error, this.#failures++, RETRY_BACKOFF, random)
      : HOPELESS_REST_MS;
    this.#resting = { look, untilMs: clock.monotonic() + restMs };
  }

  /** After a failure also without a file: it may have been the folder's, and somebody waits to hear how things stand. */
  #isDue(look: string): boolean {
    const { clock } = this.#options;
    const resting = this.#resting;
    if (look === EMPTY) return false;
    if (resting !== undefined && (look === resting.look || look === ABSENT))
      return clock.monotonic() >= resting.untilMs;
    return look !== ABSENT;
  }
}

class CredentialsWatch {
  readonly #options: WatchOptions;
  #known: string;
  #lastLook: string;
  #lastProblem = "";

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#known = fingerprint(options.known === undefined ? { kind: "missing" } : { kind: "ok", ...options.known });
    this.#lastLook = "not looked yet";
  }

  async look(): Promise<void> {
    const { paths, log, onCredentials } = this.#options;
    try {
      if ((await lookAt(paths.credentials)) === this.#lastLook) return;
      const look = await settled(paths.credentials, this.#options);
      if (look === undefined || look === EMPTY) return;
      const loaded = await loadCredentials(paths);
      this.#lastLook = look;
      const now = fingerprint(loaded.kind === "ok" ? { kind: "ok", ...loaded.credentials } : withoutFindings(loaded));
      if (now === this.#known) return;
      this.#known = now;
      await onCredentials(loaded);
    } catch (error) {
      const problem = errorText(error);
      if (problem !== this.#lastProblem) log.warn(`[agentrux] credentials.json cannot be followed: ${problem}`);
      this.#lastProblem = problem;
    }
  }
}

function withoutFindings(loaded: Exclude<LoadResult, { kind: "ok" }>): Record<string, unknown> {
  return loaded.kind === "missing" ? { kind: "missing" } : { kind: "malformed", reason: loaded.reason };
}

function fingerprint(content: Readonly<Record<string, unknown>>): string {
  return JSON.stringify(Object.entries(content).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

const ABSENT = "absent";
/** Somebody is about to write it. */
const EMPTY = "empty";

/** How a file looks once it has stopped changing; undefined while it has not. */
async function settled(path: string, { sleep, signal }: WatchOptions): Promise<string | undefined> {
  let before = await lookAt(path);
  for (let looks = 1; looks < SETTLE_LOOKS_MAX; looks++) {
    try {
      await sleep(SETTLE_MS, signal);
    } catch {
      return undefined;
    }
    const after = await lookAt(path);
    if (after === before) return after;
    before = after;
  }
  return undefined;
}

/** What tells one state of a file from another without reading it. */
export async function lookAt(path: string): Promise<string> {
  try {
    const { ino, size, mtimeNs } = await stat(path, { bigint: true });
    return size === 0n ? EMPTY : `${ino} ${size} ${mtimeNs}`;
  } catch (error) {
    // Unreadable is a look of its own: whoever reads the file next will say why.
    return errnoOf(error) === "ENOENT" ? ABSENT : `unreadable ${errnoOf(error) ?? ""}`;
  }
}

/** Wakes the loop when something happens to one of our files. */
class Doorbell {
  readonly #options: WatchOptions;
  readonly #names: ReadonlySet<string>;
  #watcher: FSWatcher | undefined;
  #rung = false;
  #waiting: AbortController | undefined;

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#names = new Set([basename(options.paths.bootstrap), basename(options.paths.credentials)]);
  }

  async wait(ms: number): Promise<void> {
    this.#watcher ??= this.#open();
    if (!this.#rung) {
      const waiting = new AbortController();
      this.#waiting = waiting;
      const stop = () => waiting.abort();
      this.#options.signal.addEventListener("abort", stop, { once: true });
      try {
        if (!this.#options.signal.aborted) await this.#options.sleep(ms, waiting.signal);
      } catch {
        // Rung or stopped.
      } finally {
        this.#options.signal.removeEventListener("abort", stop);
        this.#waiting = undefined;
      }
    }
    this.#rung = false;
  }

  close(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  #open(): FSWatcher | undefined {
    try {
      const watcher = watch(this.#options.paths.dir, { persistent: false }, (_event, name) => {
        // waterline.json and the journal change all the time; only our two files matter.
        if (name === null || this.#names.has(name)) this.#ring();
      });
      watcher.on("error", () => {
        watcher.close();
        this.#watcher = undefined;
      });
      return watcher;
    } catch {
      // No folder yet, or no watches left on this machine: the look once a second goes on.
      return undefined;
    }
  }

  #ring(): void {
    this.#rung = true;
    this.#waiting?.abort();
  }
}
