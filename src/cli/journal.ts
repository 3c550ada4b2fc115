/**
 * The operator's commands on the journal: what is open, what died, replaying and dropping. Safe while the gateway runs:
 * it is then asked to act, and answers within about a second.
 */

import { cleanLine } from "../guard/text.ts";
import type { AccountPaths } from "../credentials/home.ts";
import { type OperatorJournal, openOperatorJournal } from "../journal/operator-journal.ts";
import type { DeadLetter, LetterAction } from "../journal/types.ts";
import { type CommandResult, done, duration, failed, table } from "./output.ts";

/** Commands or letters shown at once; more are counted. */
const SHOWN = 200;

const NO_JOURNAL = "There is no journal yet: this account has never run.";

async function withJournal(
  paths: AccountPaths,
  use: (journal: OperatorJournal) => Promise<CommandResult>,
): Promise<CommandResult> {
  const journal = await openOperatorJournal(paths.dir, paths.accountId);
  if (journal === undefined) return failed("no_journal", NO_JOURNAL);
  try {
    return await use(journal);
  } finally {
    await journal.close();
  }
}

function owner(journal: OperatorJournal): string {
  if (!journal.owned) return "No gateway is running.";
  return journal.ownerPid === undefined ? "A gateway is running." : `A gateway is running (pid ${journal.ownerPid}).`;
}

/** `openclaw agentrux inbox`: commands taken over and not yet published. */
export function inbox(paths: AccountPaths, now: number): Promise<CommandResult> {
  return withJournal(paths, async (journal) => {
    const [numbers, open] = await Promise.all([journal.numbers(), journal.inbox(0, SHOWN)]);
    const rows = open.map((command) => [
      command.commandId,
      command.state,
      String(command.attempt),
      duration(now - command.receivedAt),
      command.producer === "" ? "-" : cleanLine(command.producer, 50),
    ]);
    const commands = open.map(({ commandId, state, attempt, tries, producer, receivedAt, notBefore }) => ({
      commandId,
      state,
      attempt,
      tries,
      producer,
      receivedAt,
      notBefore,
    }));
    const summary = `${numbers.received} waiting, ${numbers.running} running, ${numbers.replied} replies unsent, ${numbers.deadLetters} dead letters. ${owner(journal)}`;
    const lines =
      rows.length === 0 ? [summary] : [...table(["command", "state", "attempt", "age", "producer"], rows), summary];
    return done({ ...numbers, gatewayRunning: journal.owned, commands }, lines);
  });
}

function letterRow(letter: DeadLetter, now: number): string[] {
  const { id, kind, diedAt, attempt, replays, reason } = letter;
  return [String(id), kind, `${duration(now - diedAt)} ago`, String(attempt), String(replays), cleanLine(reason, 80)];
}

/** `openclaw agentrux dead-letters list`: the newest first. */
export function listDeadLetters(paths: AccountPaths, now: number): Promise<CommandResult> {
  return withJournal(paths, async (journal) => {
    const letters = await journal.deadLetters(Number.MAX_SAFE_INTEGER, SHOWN);
    const { deadLetters: total } = await journal.numbers();
    const head = ["id", "kind", "died", "attempts", "replays", "reason"];
    const rows = letters.map((letter) => letterRow(letter, now));
    const lines = rows.length === 0 ? ["No dead letters."] : table(head, rows);
    if (total > letters.length) lines.push(`The newest ${letters.length} of ${total}.`);
    return done({ total, deadLetters: letters }, lines);
  });
}

/** `openclaw agentrux dead-letters show <id>`: with the command as it was received. */
export function showDeadLetter(paths: AccountPaths, id: number): Promise<CommandResult> {
  return withJournal(paths, async (journal) => {
    const letter = await journal.deadLetter(id);
    if (letter === undefined) return failed("not_found", `There is no dead letter ${id}.`);
    const command: unknown = JSON.parse(letter.body);
    const { body: _body, ...facts } = letter;
    return done({ ...facts, command }, [
      ...Object.entries(facts).map(([key, value]) => `${key}: ${cleanLine(String(value), 500)}`),
      JSON.stringify(command, null, 2),
    ]);
  });
}

/** `openclaw agentrux dead-letters replay|drop <id>`. */
export function actOnDeadLetter(paths: AccountPaths, action: LetterAction, id: number): Promise<CommandResult> {
  return withJournal(paths, async (journal) => {
    const outcome = await journal.act(action, id);
    const past = action === "replay" ? "replayed" : "dropped";
    switch (outcome) {
      case "done": {
        const when = action === "replay" && !journal.owned ? " It runs when a gateway starts." : "";
        return done({ id, action, outcome }, [`Dead letter ${id} is ${past}.${when}`]);
      }
      case "not found":
        return failed("not_found", `There is no dead letter ${id}.`);
      case "asked":
        return done({ id, action, outcome }, [
          `The gateway was asked; it has not answered yet. Look again with: dead-letters list`,
        ]);
    }
  });
}
