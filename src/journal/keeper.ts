/**
 * Owns the store over its life in the worker: opening it, and replacing it when it turns out to be damaged.
 *
 * A damaged file is met either when it is opened or by any later call. Both times it is set aside, what can be read is
 * carried over, and a new file takes its place. Calls that met the damage fail as retryable: nothing of them was kept.
 */

import { statSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { AgentruxError, isAgentruxError } from "../errors.ts";
import { failpoint } from "../failpoint.ts";
import { createPrivateFile } from "./lock.ts";
import { type JournalFinding, rescue, setAside } from "./set-aside.ts";
import { sqliteFault } from "./sqlite-fault.ts";
import { type Call, openStore, type Outcome, type Store, type StoreOptions } from "./store.ts";

/** Files up to this size are checked as a whole when they are opened. */
const CHECK_UP_TO_BYTES = 64 * 1024 * 1024;

export interface Keeper {
  run(calls: readonly Call[]): readonly Outcome[];
  upkeep(): boolean;
  close(): void;
}

function assertSound(path: string): void {
  if (statSync(path).size > CHECK_UP_TO_BYTES) return;
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path);
    const verdict = db.prepare("PRAGMA quick_check(1)").get()?.["quick_check"];
    if (verdict !== "ok") {
      throw new AgentruxError("journal_corrupt", "The journal file is damaged.", { cause: new Error(String(verdict)) });
    }
  } catch (error) {
    throw sqliteFault(error);
  } finally {
    db?.close();
  }
}

/**
 * @throws AgentruxError `disk` or `config` when no journal can be opened at all.
 */
export function openKeeper(
  options: StoreOptions,
  now: () => number,
  onFinding: (finding: JournalFinding) => void,
): Keeper {
  const openSound = (): Store => {
    createPrivateFile(options.path);
    failpoint("journal.created");
    assertSound(options.path);
    return openStore(options);
  };

  const replaceDamaged = (): Store => {
    const at = now();
    const damaged = setAside(options.path, at);
    createPrivateFile(options.path);
    openStore(options).close();
    const rescued = rescue(damaged, options.path, at);
    onFinding({
      code: "journal_corrupt",
      setAside: damaged,
      rescued,
      message: `The journal was damaged. It was set aside as ${damaged} and a new one begun; ${rescued} open commands were carried over.`,
    });
    return openStore(options);
  };

  let store: Store;
  try {
    store = openSound();
  } catch (error) {
    if (!isAgentruxError(error, "journal_corrupt")) throw error;
    store = replaceDamaged();
  }

  const replaceRunning = (): void => {
    try {
      store.close();
      store = replaceDamaged();
    } catch {
      // No new file can be made just now; the old one is closed, so every call fails until one can.
    }
  };

  return {
    run(calls) {
      const outcomes = store.run(calls);
      if (!outcomes.some((outcome) => "error" in outcome && outcome.error.code === "journal_corrupt")) return outcomes;
      replaceRunning();
      const error = new AgentruxError("journal_corrupt", "The journal file was damaged and has been replaced.", {
        retryable: true,
        cause: outcomes.find((outcome) => "error" in outcome)?.error,
      });
      return calls.map(() => ({ error }));
    },
    upkeep() {
      try {
        return store.upkeep(now());
      } catch {
        // The next call meets the same fault and reports it.
        return false;
      }
    },
    close() {
      failpoint("journal.closing");
      store.close();
    },
  };
}
