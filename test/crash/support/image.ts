/** A journal as a power cut could have left it: copied, its log cut or torn, and looked at beside what is known outside. */

import { randomBytes } from "node:crypto";
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { commandIdOf } from "../../../src/intake/command.ts";
import { parsePositions } from "../../../src/intake/positions.ts";
import { JOURNAL_FILE_NAME } from "../../../src/journal/journal.ts";
import { seenKey, SeenSet } from "../../../src/journal/seen.ts";
import type { TopicEvent } from "../../../src/service/types.ts";
import { terminalReplies } from "../../support/checker.ts";
import type { Site } from "./site.ts";

const PAGE = 200;

/** What a journal says of itself. */
export interface Contents {
  readonly integrity: string;
  readonly seen: SeenSet;
  /** Of the open commands, by command id. */
  readonly states: ReadonlyMap<string, string>;
}

export const walOf = (dir: string): string => join(dir, `${JOURNAL_FILE_NAME}-wal`);

/** Copies the journal of `from` to `to`, without what lies in memory only. */
export function copyJournal(from: string, to: string): void {
  rmSync(to, { recursive: true, force: true });
  mkdirSync(to, { recursive: true });
  for (const name of [JOURNAL_FILE_NAME, `${JOURNAL_FILE_NAME}-wal`]) copyFileSync(join(from, name), join(to, name));
}

/** Cuts the log of `dir` after `bytes`; `garbage` bytes of anything follow, as of a write that was under way. */
export function cutWal(dir: string, bytes: number, garbage = 0): void {
  const wal = readFileSync(walOf(dir));
  writeFileSync(walOf(dir), Buffer.concat([wal.subarray(0, bytes), randomBytes(garbage)]));
}

/** Opens the journal of `dir`, as recovery leaves it. */
export function contentsOf(dir: string): Contents {
  const db = new DatabaseSync(join(dir, JOURNAL_FILE_NAME));
  try {
    const integrity = String(db.prepare("PRAGMA integrity_check").get()?.["integrity_check"]);
    const seen = new SeenSet();
    const states = new Map<string, string>();
    // Before the first transaction there are no tables.
    const tables = db.prepare("SELECT count(*) AS n FROM sqlite_schema WHERE name IN ('seen', 'commands')").get();
    if (Number(tables?.["n"]) === 2) {
      for (const { keys } of db.prepare("SELECT keys FROM seen").iterate()) {
        if (keys instanceof Uint8Array) seen.addBlock(keys);
      }
      for (const row of db.prepare("SELECT command_id, state FROM commands").iterate()) {
        states.set(String(row["command_id"]), String(row["state"]));
      }
    }
    return { integrity, seen, states };
  } finally {
    db.close();
  }
}

/** A command on its topic. */
export interface Published {
  readonly requestId: string;
  readonly commandId: string;
}

async function eventsAfter({ client, commandTopic }: Site, position: string): Promise<readonly TopicEvent[]> {
  const all: TopicEvent[] = [];
  for (let after = position; ;) {
    const signal = AbortSignal.timeout(30_000);
    const page = await client.pull({ topicId: commandTopic, after, limit: PAGE, signal });
    all.push(...page.events);
    if (page.events.length === 0) return all;
    after = page.next ?? after;
  }
}

/** What is known outside of the journal: which commands the stored read position has passed, and which are answered. */
export interface Known {
  readonly passed: readonly Published[];
  readonly answered: readonly Published[];
}

export async function known(site: Site): Promise<Known> {
  const all = (await eventsAfter(site, "")).map((event) => ({
    requestId: String((event.payload as Record<string, unknown>)["request_id"]),
    commandId: commandIdOf(site.commandTopic, event.eventId),
  }));
  const parsed = parsePositions(readFileSync(site.paths.waterline, "utf8"));
  const position = parsed.ok ? parsed.positions.topics.get(site.commandTopic)?.[site.generation] : undefined;
  const ahead = position === undefined ? all.length : (await eventsAfter(site, position)).length;
  const replied = new Set(terminalReplies(await site.replies()).map((reply) => reply["request_id"]));
  return {
    passed: all.slice(0, all.length - ahead),
    answered: all.filter(({ requestId }) => replied.has(requestId)),
  };
}

/** Every way in which a journal contradicts what is known outside; empty when it does not. */
export function contradictions({ integrity, seen, states }: Contents, { passed, answered }: Known): readonly string[] {
  return [
    ...(integrity === "ok" ? [] : [`the journal is damaged: ${integrity}`]),
    ...passed
      .filter(({ commandId }) => !seen.has(seenKey(commandId)))
      .map(({ requestId }) => `the read position is past ${requestId}, which is not in the journal`),
    ...answered
      .filter(({ commandId }) => (states.get(commandId) ?? "replied") !== "replied" || !seen.has(seenKey(commandId)))
      .map(({ requestId }) => `${requestId} is answered, and the journal knows nothing of it`),
  ];
}
