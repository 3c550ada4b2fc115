/** The operator's commands on the read positions. A running gateway holds them in memory, so it is asked to move them. */

import type { AccountPaths } from "../credentials/home.ts";
import { loadCredentials } from "../credentials/store.ts";
import { isPosition } from "../intake/positions.ts";
import { Waterline } from "../intake/waterline.ts";
import { waterlineFile } from "../intake/waterline-file.ts";
import { acquireLock } from "../journal/lock.ts";
import { openOperatorJournal } from "../journal/operator-journal.ts";
import { type CommandResult, done, failed } from "./output.ts";

const MAX_CURSOR_CHARS = 500;

async function open(paths: AccountPaths): Promise<Waterline | undefined> {
  const loaded = await loadCredentials(paths);
  if (loaded.kind !== "ok") return undefined;
  return await Waterline.open({
    store: waterlineFile(paths.waterline, () => new Date()),
    generation: loaded.credentials.generation,
    onProblem: () => undefined,
  });
}

const NOT_ACTIVATED = "This account is not activated, so it reads nothing: put a code into BOOTSTRAP.md first.";

/** `openclaw agentrux waterline show`. */
export async function showWaterline(paths: AccountPaths, topicId: string): Promise<CommandResult> {
  const waterline = await open(paths);
  if (waterline === undefined) return failed("not_activated", NOT_ACTIVATED);
  const position = waterline.position(topicId);
  const words = {
    saved: () => (position.kind === "saved" ? `read up to ${position.cursor}` : ""),
    none: () => "never read; the next start begins at the newest event",
    unknown: () => (position.kind === "unknown" ? `not known: ${position.reason}` : ""),
  }[position.kind]();
  return done({ topicId, generation: waterline.generation, ...position }, [`${topicId}: ${words}`]);
}

/** `openclaw agentrux waterline set <position>`: what lies behind is read again, and run only if never run before. */
export async function setWaterline(paths: AccountPaths, topicId: string, cursor: string): Promise<CommandResult> {
  const waterline = await open(paths);
  if (waterline === undefined) return failed("not_activated", NOT_ACTIVATED);
  if (cursor.length > MAX_CURSOR_CHARS || !isPosition(waterline.generation, cursor)) {
    return failed("invalid", `"${cursor.slice(0, 80)}" is not a position: generation A takes a sequence number.`, 2);
  }
  const journal = await openOperatorJournal(paths.dir, paths.accountId);
  if (journal === undefined) return await setAlone(paths, topicId, cursor);
  try {
    const outcome = await journal.move(topicId, cursor);
    switch (outcome) {
      case undefined:
        return await write(paths, topicId, cursor);
      case "done":
        return done({ topicId, cursor, outcome }, [`${topicId}: the running gateway reads on after ${cursor}.`]);
      case "asked":
        return done({ topicId, cursor, outcome }, ["The gateway was asked; look again with: waterline show"]);
      case "not found":
        return failed("not_found", `The running gateway does not read ${topicId}, or not in this generation.`);
    }
  } finally {
    await journal.close();
  }
}

/** Without a journal there is nobody to ask, but a gateway may be about to start. */
async function setAlone(paths: AccountPaths, topicId: string, cursor: string): Promise<CommandResult> {
  const lock = acquireLock(paths.dir, process.pid);
  try {
    return await write(paths, topicId, cursor);
  } finally {
    lock.release();
  }
}

/** While the journal, or its lock, is held. */
async function write(paths: AccountPaths, topicId: string, cursor: string): Promise<CommandResult> {
  const waterline = await open(paths);
  if (waterline === undefined) return failed("not_activated", NOT_ACTIVATED);
  waterline.reset(topicId, cursor);
  await waterline.flush();
  return done({ topicId, cursor, outcome: "done" }, [`${topicId}: the next start reads on after ${cursor}.`]);
}
