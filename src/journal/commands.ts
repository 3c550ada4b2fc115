/** Owns the table `commands`: taking over, attempts, the first reply. */

import type { DatabaseSync } from "node:sqlite";
import { commandWriter, type PlacedRow } from "./add-commands.ts";
import { type CommandState, type JournalOperations, type OpenCommand, type OpenCommandWithBody } from "./types.ts";
import { replyWriter } from "./replies.ts";
import type { SeenIds } from "./seen-ids.ts";

type Row = Record<string, unknown>;

const COLUMNS = "id, command_id, lane, producer, state, attempt, tries, replays, not_before, received_at";
/** The sources of one account, as a condition. */
const OF_ACCOUNT = "source IN (SELECT id FROM sources WHERE account = ?)";

export function toOpenCommand(row: Row): OpenCommand {
  return {
    id: Number(row["id"]),
    commandId: String(row["command_id"]),
    lane: String(row["lane"]),
    producer: String(row["producer"]),
    state: String(row["state"]) as CommandState,
    attempt: Number(row["attempt"]),
    tries: Number(row["tries"]),
    replays: Number(row["replays"]),
    notBefore: Number(row["not_before"]),
    receivedAt: Number(row["received_at"]),
  };
}

function withBody(row: Row | undefined): OpenCommandWithBody | undefined {
  return row && { ...toOpenCommand(row), body: String(row["body"]) };
}

export function commandOperations(
  db: DatabaseSync,
  account: string,
  seen: SeenIds,
): Pick<
  JournalOperations,
  "admit" | "lastPosition" | "openCommands" | "openCommand" | "findOpen" | "begin" | "putBack" | "reply" | "numbers"
> {
  const writeReplies = replyWriter(db);
  const addCommands = commandWriter(db);
  const addSource = db.prepare("INSERT INTO sources (account, topic) VALUES (?, ?) ON CONFLICT DO NOTHING");
  const getSource = db.prepare("SELECT id, position FROM sources WHERE account = ? AND topic = ?");
  const setPosition = db.prepare("UPDATE sources SET position = ? WHERE id = ?");
  const listOpen = db.prepare(
    `SELECT ${COLUMNS} FROM commands WHERE id > ? AND state <> 'replied' AND ${OF_ACCOUNT} ORDER BY id LIMIT ?`,
  );
  const getOpen = db.prepare(`SELECT ${COLUMNS}, body FROM commands WHERE id = ? AND state <> 'replied'`);
  const findByCommandId = db.prepare(
    `SELECT ${COLUMNS}, body FROM commands WHERE command_id = ? AND attempt > 0 AND state <> 'replied' AND ${OF_ACCOUNT}`,
  );
  const begin = db.prepare(
    `UPDATE commands SET state = 'running', attempt = attempt + 1, tries = tries + 1, not_before = 0
     WHERE id = ? AND state = 'received' RETURNING ${COLUMNS}, body`,
  );
  const putBack = db.prepare(
    `UPDATE commands SET state = 'received', tries = tries - ?, not_before = ?
     WHERE id = ? AND attempt = ? AND state = 'running'`,
  );
  const close = db.prepare("UPDATE commands SET state = 'replied' WHERE id = ? AND state <> 'replied'");
  const forget = db.prepare("DELETE FROM commands WHERE id = ?");
  const bury = db.prepare(
    `INSERT INTO dead_letters
       (source, kind, reason, command_id, producer, lane, attempt, replays, received_at, died_at, body)
     SELECT source, 'turn', ?, command_id, producer, lane, attempt, replays, received_at, ?, body
     FROM commands WHERE id = ?`,
  );
  const count = db.prepare(
    `SELECT count(*) FILTER (WHERE state = 'received') AS received, count(*) FILTER (WHERE state = 'running') AS running,
       count(*) FILTER (WHERE state = 'replied') AS replied, min(received_at) AS oldest,
       (SELECT count(*) FROM dead_letters WHERE ${OF_ACCOUNT}) AS dead FROM commands WHERE ${OF_ACCOUNT}`,
  );

  return {
    admit(topicId, rows, at, position) {
      addSource.run(account, topicId);
      const source = Number(getSource.get(account, topicId)?.["id"]);
      const ids: number[] = [];
      const unknown: PlacedRow[] = [];
      for (const [place, row] of rows.entries()) {
        const known = seen.take(row.commandId, row.requestKey);
        if (known === undefined) unknown.push({ row, place });
        else ids[place] = known;
      }
      addCommands(source, unknown, at, (id, { row, place }) => {
        ids[place] = id;
        if (row.replies !== undefined) writeReplies(id, row.replies, at);
      });
      seen.write(at);
      if (position !== undefined) setPosition.run(position, source);
      return { ids };
    },
    lastPosition(topicId) {
      const position = getSource.get(account, topicId)?.["position"];
      return typeof position === "string" ? position : undefined;
    },
    openCommands: (after, limit) => listOpen.all(after, account, limit).map(toOpenCommand),
    openCommand: (id) => withBody(getOpen.get(id)),
    findOpen: (commandId) => withBody(findByCommandId.get(commandId, account)),
    begin: (id) => withBody(begin.get(id)),
    putBack: (id, attempt, refund, notBefore) => putBack.run(refund ? 1 : 0, notBefore, id, attempt).changes === 1,
    reply(id, replies, at, deathReason) {
      if (close.run(id).changes === 0) return false;
      writeReplies(id, replies, at);
      if (deathReason !== undefined) bury.run(deathReason, at, id);
      if (replies.length === 0) forget.run(id);
      return true;
    },
    numbers() {
      const row = count.get(account, account) ?? {};
      return {
        received: Number(row["received"]),
        running: Number(row["running"]),
        replied: Number(row["replied"]),
        deadLetters: Number(row["dead"]),
        ...(row["oldest"] === null ? {} : { oldestReceivedAt: Number(row["oldest"]) }),
      };
    },
  };
}
