/**
 * The journal as an operator's command line gets hold of it, whether a gateway is running or not.
 *
 * With a gateway running the file is read beside it, and nothing in it is changed but one row that asks the gateway to
 * act; the gateway looks for such rows once a second. Without one, the command line becomes the owner for its short
 * life and acts itself, and a gateway that starts meanwhile waits those moments.
 */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isAgentruxError } from "../errors.ts";
import { JOURNAL_FILE_NAME, openJournal, ownerIn } from "./journal.ts";
import { journalOver } from "./over.ts";
import { openStore } from "./store.ts";
import type {
  DeadLetter,
  DeadLetterWithBody,
  Journal,
  JournalNumbers,
  LetterAction,
  OpenCommand,
  OperatorAction,
} from "./types.ts";

/** `asked`: the gateway has not come to it yet, but will. */
export type ActionOutcome = "done" | "not found" | "asked";

export interface OperatorJournal {
  /** The gateway that owns the journal; undefined when none is running, or its pid is not known. */
  readonly ownerPid: number | undefined;
  readonly owned: boolean;
  numbers(): Promise<JournalNumbers>;
  inbox(after: number, limit: number): Promise<readonly OpenCommand[]>;
  deadLetters(before: number, limit: number): Promise<readonly DeadLetter[]>;
  deadLetter(id: number): Promise<DeadLetterWithBody | undefined>;
  act(action: LetterAction, deadLetter: number): Promise<ActionOutcome>;
  /**
   * Asks the running gateway to read on after `cursor`. `not found`: it does not read that topic, or the cursor is none of
   * its generation's. Undefined when no gateway runs: the position is then nobody's but the file's.
   */
  move(topicId: string, cursor: string): Promise<ActionOutcome | undefined>;
  close(): Promise<void>;
}

const ASK_AGAIN_MS = 100;
const WAIT_FOR_OWNER_MS = 5_000;

function reading(journal: Journal): Pick<OperatorJournal, "numbers" | "inbox" | "deadLetters" | "deadLetter"> {
  return {
    numbers: () => journal.numbers(),
    inbox: (after, limit) => journal.openCommands(after, limit),
    deadLetters: (before, limit) => journal.deadLetters(before, limit),
    deadLetter: (id) => journal.deadLetter(id),
  };
}

/**
 * Opens the journal of `directory` for one account; undefined when there is none yet.
 *
 * @throws AgentruxError `config` when the running gateway is of another release; `disk`.
 * @example
 * const journal = await openOperatorJournal(directory, "default");
 * for (const letter of (await journal?.deadLetters(Number.MAX_SAFE_INTEGER, 50)) ?? []) print(letter);
 */
export async function openOperatorJournal(directory: string, account: string): Promise<OperatorJournal | undefined> {
  const path = join(directory, JOURNAL_FILE_NAME);
  if (!existsSync(path)) return undefined;
  try {
    const file = await openJournal({ directory });
    const journal = file.account(account);
    return {
      ownerPid: undefined,
      owned: false,
      ...reading(journal),
      async act(action, id) {
        const found = action === "drop" ? await journal.drop(id) : (await journal.replay(id, Date.now())) !== undefined;
        return found ? "done" : "not found";
      },
      move: () => Promise.resolve(undefined),
      close: () => file.close(),
    };
  } catch (error) {
    if (!isAgentruxError(error, "journal_locked")) throw error;
    return asGuest(path, account, ownerIn(error.details));
  }
}

function asGuest(path: string, account: string, ownerPid: number | undefined): OperatorJournal {
  const store = openStore({ path, asGuest: true });
  const journal = journalOver(async (operation, args) => {
    const [outcome] = store.run([{ account, operation, args }]);
    if (outcome !== undefined && "error" in outcome) throw outcome.error;
    return outcome?.value;
  });
  const ask = async (wanted: OperatorAction): Promise<ActionOutcome> => {
    const request = await journal.ask(wanted, Date.now());
    for (let waited = 0; waited < WAIT_FOR_OWNER_MS; waited += ASK_AGAIN_MS) {
      const outcome = await journal.requestOutcome(request);
      if (outcome === "done" || outcome === "not found") return outcome;
      await sleep(ASK_AGAIN_MS);
    }
    return "asked";
  };
  return {
    ownerPid,
    owned: true,
    ...reading(journal),
    act: (action, deadLetter) => ask({ action, deadLetter }),
    move: (topicId, cursor) => ask({ action: "move", topicId, cursor }),
    async close() {
      store.close();
    },
  };
}
