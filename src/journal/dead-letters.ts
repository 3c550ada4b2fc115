/** Owns the tables `dead_letters` and `requests`: what an operator looks at, replays or drops. */

import type { DatabaseSync } from "node:sqlite";
import type { DeadLetter, DeadLetterWithBody, JournalOperations, NewReply, OperatorAction } from "./types.ts";
import { toOpenCommand } from "./commands.ts";
import { replyWriter } from "./replies.ts";

type Row = Record<string, unknown>;

function toDeadLetter(row: Row): DeadLetter {
  return {
    id: Number(row["id"]),
    kind: row["kind"] === "reply" ? "reply" : "turn",
    reason: String(row["reason"]),
    topicId: String(row["topic"]),
    commandId: String(row["command_id"]),
    attempt: Number(row["attempt"]),
    replays: Number(row["replays"]),
    diedAt: Number(row["died_at"]),
    receivedAt: Number(row["received_at"]),
  };
}

function targetOf(wanted: OperatorAction): string {
  return wanted.action === "move" ? JSON.stringify([wanted.topicId, wanted.cursor]) : String(wanted.deadLetter);
}

function wantedIn({ action, target }: Row): OperatorAction {
  if (action !== "move") return { action: action === "drop" ? "drop" : "replay", deadLetter: Number(target) };
  const [topicId, cursor] = JSON.parse(String(target)) as [string, string];
  return { action, topicId, cursor };
}

function withBody(row: Row | undefined): DeadLetterWithBody | undefined {
  return row && { ...toDeadLetter(row), body: String(row["body"]) };
}

export function deadLetterOperations(
  db: DatabaseSync,
  account: string,
): Pick<
  JournalOperations,
  "deadLetters" | "deadLetter" | "replay" | "drop" | "ask" | "openRequests" | "answerRequest" | "requestOutcome"
> {
  const writeReplies = replyWriter(db);
  const from = "FROM dead_letters AS d JOIN sources AS s ON s.id = d.source WHERE s.account = ?";
  const list = db.prepare(`SELECT d.*, s.topic ${from} AND d.id < ? ORDER BY d.id DESC LIMIT ?`);
  const get = db.prepare(`SELECT d.*, s.topic ${from} AND d.id = ?`);
  // A replayed turn is a new run with a new reply; a replayed reply is the old one once more, under its old id.
  const reopen = db.prepare(
    `INSERT INTO commands (source, command_id, producer, lane, state, attempt, replays, received_at, body)
     SELECT source, command_id, producer, lane, iif(kind = 'turn', 'received', 'replied'), attempt,
       replays + iif(kind = 'turn', 1, 0), ?, body
     FROM dead_letters WHERE id = ? RETURNING *`,
  );
  const remove = db.prepare(
    "DELETE FROM dead_letters WHERE id = ? AND source IN (SELECT id FROM sources WHERE account = ?)",
  );
  const ask = db.prepare("INSERT INTO requests (account, action, target, asked_at) VALUES (?, ?, ?, ?)");
  const open = db.prepare(
    "SELECT id, action, target FROM requests WHERE account = ? AND answered_at IS NULL ORDER BY id LIMIT 100",
  );
  const answer = db.prepare("UPDATE requests SET answered_at = ?, outcome = ? WHERE id = ?");
  const outcome = db.prepare("SELECT outcome FROM requests WHERE id = ? AND answered_at IS NOT NULL");

  return {
    deadLetters: (before, limit) => list.all(account, before, limit).map(toDeadLetter),
    deadLetter: (id) => withBody(get.get(account, id)),
    replay(id, at) {
      const letter = get.get(account, id);
      const row = letter && reopen.get(at, id);
      if (row === undefined) return undefined;
      const command = toOpenCommand(row);
      const replies = letter?.["replies"];
      if (typeof replies === "string") writeReplies(command.id, JSON.parse(replies) as NewReply[], at);
      remove.run(id, account);
      return command;
    },
    drop: (id) => remove.run(id, account).changes === 1,
    ask: (wanted, at) => Number(ask.run(account, wanted.action, targetOf(wanted), at).lastInsertRowid),
    openRequests: () => open.all(account).map((row) => ({ id: Number(row["id"]), wanted: wantedIn(row) })),
    answerRequest(id, text, at) {
      answer.run(at, text, id);
    },
    requestOutcome(id) {
      const row = outcome.get(id);
      return row && String(row["outcome"]);
    },
  };
}
