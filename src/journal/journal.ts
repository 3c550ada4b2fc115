/**
 * Owns the journal as the rest of the plugin sees it: opened once per process, shared by all accounts.
 *
 * One process owns the journal (lock.ts). Another one gets `journal_locked` and may wait with `waitForJournal`, which
 * asks twice a second. An operator's command line reads the file directly (WAL lets readers in) and changes nothing:
 * it leaves a request, which the owner finds and carries out (see `openOperatorJournal`).
 */

import { chmodSync, existsSync, mkdirSync } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { AgentruxError, isAgentruxError } from "../errors.ts";
import { failpoint } from "../failpoint.ts";
import { acquireLock, type JournalLock } from "./lock.ts";
import { journalOver } from "./over.ts";
import { type FromWorker, fromPlain, type ToWorker, type WorkerSettings } from "./protocol.ts";
import type { Retention } from "./retention.ts";
import type { JournalFinding } from "./set-aside.ts";
import type { Journal, JournalOperations } from "./types.ts";

export const JOURNAL_FILE_NAME = "journal.sqlite";
const TAKE_OVER_POLL_MS = 500;

export interface JournalOptions {
  /** The folder that holds the journal, usually `~/.agentrux`. Made with mode 0700 where it is missing. */
  readonly directory: string;
  /** Told when a damaged journal was set aside, also while running. */
  readonly onFinding?: (finding: JournalFinding) => void;
  /** Told when the journal can no longer be used and has to be opened again. */
  readonly onFailure?: (error: AgentruxError) => void;
  readonly maxBytes?: number;
  readonly retention?: Retention;
}

/** The open journal of this process. */
export interface JournalFile {
  readonly path: string;
  /** The operations for one account. */
  account(accountId: string): Journal;
  /** What it takes on disk, the write-ahead log included. */
  bytes(): Promise<number>;
  /** Finishes what was called, closes the file, frees the lock. Idempotent. */
  close(): Promise<void>;
}

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: AgentruxError) => void;
}

/** 0 for a file that is not there. */
async function sizeOf(path: string): Promise<number> {
  return await stat(path).then(
    ({ size }) => size,
    () => 0,
  );
}

/** Built and source files lie side by side under the same names, with different endings. */
function workerUrl(): URL {
  return new URL(import.meta.url.endsWith(".ts") ? "./worker.ts" : "./worker.js", import.meta.url);
}

function prepareFolder(directory: string): string {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const path = join(directory, JOURNAL_FILE_NAME);
  // By name, never by descriptor: closing a second descriptor of the file would drop SQLite's own locks.
  for (const file of [path, `${path}-wal`, `${path}-shm`]) if (existsSync(file)) chmodSync(file, 0o600);
  return path;
}

/**
 * Opens the journal and becomes its owner.
 *
 * @throws AgentruxError `journal_locked` (with `details.pid`) when another process owns it; `disk` when the folder
 * cannot be used; `config` when the file is from a newer release.
 * @example
 * const file = await openJournal({ directory: "/home/me/.agentrux", onFinding: (f) => log.error(f.message) });
 * const journal = file.account("default");
 */
export async function openJournal(options: JournalOptions): Promise<JournalFile> {
  const path = prepareFolder(options.directory);
  const lock = acquireLock(options.directory, process.pid);
  failpoint("journal.locked");
  try {
    return await startWorker(path, lock, options);
  } catch (error) {
    lock.release();
    throw error;
  }
}

function startWorker(path: string, lock: JournalLock, options: JournalOptions): Promise<JournalFile> {
  const settings: WorkerSettings = {
    path,
    ...(options.maxBytes === undefined ? {} : { maxBytes: options.maxBytes }),
    ...(options.retention === undefined ? {} : { retention: options.retention }),
  };
  const worker = new Worker(workerUrl(), { workerData: settings, name: "agentrux-journal" });
  const waiting = new Map<number, Waiting>();
  let lastSeq = 0;
  let closed: AgentruxError | undefined;
  let closing: Promise<void> | undefined;
  let refused = false;
  let cause: unknown;
  const exited = new Promise<void>((resolve) => {
    worker.once("exit", () => resolve());
  });

  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker has no origin
  const tell = (message: ToWorker): void => worker.postMessage(message);

  const fail = (error: AgentruxError): void => {
    closed ??= error;
    for (const call of waiting.values()) call.reject(error);
    waiting.clear();
  };

  const call = (account: string, operation: keyof JournalOperations, args: readonly unknown[]): Promise<unknown> => {
    if (closed !== undefined) return Promise.reject(closed);
    const seq = (lastSeq += 1);
    return new Promise((resolve, reject) => {
      waiting.set(seq, { resolve, reject });
      tell({ kind: "call", seq, call: { account, operation, args } });
    });
  };

  const settle = (outcomes: Extract<FromWorker, { kind: "outcomes" }>["outcomes"]): void => {
    for (const outcome of outcomes) {
      const one = waiting.get(outcome.seq);
      waiting.delete(outcome.seq);
      if ("error" in outcome) one?.reject(fromPlain(outcome.error));
      else one?.resolve(outcome.value);
    }
  };

  const close = async (): Promise<void> => {
    tell({ kind: "close" });
    await exited;
    fail(new AgentruxError("stopped", "The journal is closed."));
    lock.release();
  };

  const file: JournalFile = {
    path,
    account: (accountId) => journalOver((operation, args) => call(accountId, operation, args)),
    bytes: async () => (await sizeOf(path)) + (await sizeOf(`${path}-wal`)),
    close: () => (closing ??= close()),
  };

  return new Promise((resolve, reject) => {
    worker.on("message", (message: FromWorker) => {
      if (message.kind === "outcomes") settle(message.outcomes);
      else if (message.kind === "finding") options.onFinding?.(message.finding);
      else if (message.kind === "ready") resolve(file);
      else {
        refused = true;
        reject(fromPlain(message.error));
      }
    });
    worker.on("error", (error) => {
      cause = error;
    });
    // Whether it told of an error or not: a call that waits for a thread that is gone would wait for ever.
    worker.once("exit", (code) => {
      const asked = refused || closing !== undefined;
      if (asked && cause === undefined) return;
      cause ??= new Error(`exit code ${code}`);
      const error = new AgentruxError("disk", "The journal's thread has ended.", { cause });
      reject(error);
      fail(error);
      lock.release();
      options.onFailure?.(error);
    });
  });
}

/**
 * Opens the journal, or stands by until its owner is gone.
 *
 * @param onStandby Told each time the owner's pid is seen to change, also when it is not known.
 * @throws AgentruxError as `openJournal`, without `journal_locked`; `aborted` when `signal` aborts.
 */
export async function waitForJournal(
  options: JournalOptions,
  signal: AbortSignal,
  onStandby: (pid: number | undefined) => void,
): Promise<JournalFile> {
  let told: { pid: number | undefined } | undefined;
  for (;;) {
    if (signal.aborted) throw new AgentruxError("aborted", "Stopped while waiting for the journal.");
    try {
      return await openJournal(options);
    } catch (error) {
      if (!isAgentruxError(error, "journal_locked")) throw error;
      const pid = ownerIn(error.details);
      if (told === undefined || told.pid !== pid) onStandby(pid);
      told = { pid };
    }
    await new Promise<void>((resolve) => {
      const timer = setTimeout(done, TAKE_OVER_POLL_MS);
      function done(): void {
        clearTimeout(timer);
        signal.removeEventListener("abort", done);
        resolve();
      }
      signal.addEventListener("abort", done, { once: true });
    });
  }
}

/** The pid in the details of `journal_locked`. */
export function ownerIn(details: unknown): number | undefined {
  return typeof details === "object" && details !== null && "pid" in details && typeof details.pid === "number"
    ? details.pid
    : undefined;
}
