/** The operator's commands on the read positions. They are set only while no gateway runs: it holds them in memory. */

import type { AccountPaths } from "../credentials/home.ts";
import { loadCredentials } from "../credentials/store.ts";
import { isAgentruxError } from "../errors.ts";
import { isPosition } from "../intake/positions.ts";
import { Waterline } from "../intake/waterline.ts";
import { waterlineFile } from "../intake/waterline-file.ts";
import { acquireLock } from "../journal/lock.ts";
import { type CommandResult, done, failed } from "./output.ts";

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
  let lock: { release(): void };
  try {
    lock = acquireLock(paths.dir, process.pid);
  } catch (error) {
    if (!isAgentruxError(error, "journal_locked")) throw error;
    return failed(
      "gateway_running",
      "A gateway is running with this account. Stop it, set the position, start it again.",
    );
  }
  try {
    const waterline = await open(paths);
    if (waterline === undefined) return failed("not_activated", NOT_ACTIVATED);
    if (!isPosition(waterline.generation, cursor)) {
      return failed("invalid", `"${cursor.slice(0, 80)}" is not a position: generation A takes a sequence number.`, 2);
    }
    waterline.reset(topicId, cursor);
    await waterline.flush();
    return done({ topicId, cursor }, [`${topicId}: the next start reads on after ${cursor}.`]);
  } finally {
    lock.release();
  }
}
