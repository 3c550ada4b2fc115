/**
 * Owns the table `replies`: what has been answered and is not yet known to be published.
 *
 * A part is pending, then sending (its outcome is unknown until told), then acknowledged. When the last part of a
 * command is acknowledged the command and its parts are deleted: nothing is left to do about it.
 */

import type { DatabaseSync } from "node:sqlite";
import type { JournalOperations, NewReply, UnsentReply } from "./types.ts";

const OF_ACCOUNT = "source IN (SELECT id FROM sources WHERE account = ?)";

/** Writes the parts of a reply. */
export function replyWriter(db: DatabaseSync): (command: number, replies: readonly NewReply[], at: number) => void {
  const add = db.prepare("INSERT INTO replies (command, part, reply_id, created_at, body) VALUES (?, ?, ?, ?, ?)");
  return (command, replies, at) => {
    for (const reply of replies) add.run(command, reply.part, reply.replyId, at, reply.body);
  };
}

function toUnsentReply(row: Record<string, unknown>): UnsentReply {
  return {
    id: Number(row["id"]),
    command: Number(row["command"]),
    replyId: String(row["reply_id"]),
    part: Number(row["part"]),
    state: row["state"] === "sending" ? "sending" : "pending",
    attempts: Number(row["attempts"]),
    notBefore: Number(row["not_before"]),
    createdAt: Number(row["created_at"]),
    body: String(row["body"]),
  };
}

export function replyOperations(
  db: DatabaseSync,
  account: string,
): Pick<
  JournalOperations,
  | "unsentCommands"
  | "nextReply"
  | "markSending"
  | "deferReply"
  | "acknowledge"
  | "rewriteReply"
  | "replaceReplies"
  | "expireReply"
> {
  const writeReplies = replyWriter(db);
  const listUnsent = db.prepare(
    `SELECT commands.id AS command, commands.lane, coalesce(max(replies.not_before), 0) AS not_before
     FROM commands LEFT JOIN replies ON replies.command = commands.id
     WHERE commands.id > ? AND commands.state = 'replied' AND ${OF_ACCOUNT}
     GROUP BY commands.id ORDER BY commands.id LIMIT ?`,
  );
  const next = db.prepare("SELECT * FROM replies WHERE command = ? AND state <> 'acknowledged' ORDER BY part LIMIT 1");
  const isReplied = db.prepare("SELECT 1 FROM commands WHERE id = ? AND state = 'replied'");
  const markSending = db.prepare(
    "UPDATE replies SET state = 'sending', attempts = attempts + 1, not_before = ? WHERE id = ? AND state <> 'acknowledged'",
  );
  const defer = db.prepare("UPDATE replies SET state = ?, not_before = ? WHERE id = ? AND state <> 'acknowledged'");
  const acknowledge = db.prepare("UPDATE replies SET state = 'acknowledged', body = '' WHERE id = ? RETURNING command");
  const rewrite = db.prepare("UPDATE replies SET body = ? WHERE id = ? AND state <> 'acknowledged'");
  const deleteCommand = db.prepare("DELETE FROM commands WHERE id = ?");
  const deleteUnsent = db.prepare("DELETE FROM replies WHERE command = ? AND state <> 'acknowledged'");
  const bury = db.prepare(
    `INSERT INTO dead_letters
       (source, kind, reason, command_id, producer, lane, attempt, replays, received_at, died_at, body, replies)
     SELECT source, 'reply', ?, command_id, producer, lane, attempt, replays, received_at, ?, body,
       (SELECT json_group_array(json_object('replyId', reply_id, 'part', part, 'body', body))
        FROM (SELECT * FROM replies WHERE command = commands.id AND state <> 'acknowledged' ORDER BY part))
     FROM commands WHERE id = ?`,
  );

  return {
    unsentCommands: (after, limit) =>
      listUnsent.all(after, account, limit).map((row) => ({
        command: Number(row["command"]),
        lane: String(row["lane"]),
        notBefore: Number(row["not_before"]),
      })),
    nextReply(command) {
      const row = next.get(command);
      return row && toUnsentReply(row);
    },
    markSending(reply, notBefore) {
      markSending.run(notBefore, reply);
    },
    deferReply(reply, notBefore, uncertain) {
      defer.run(uncertain ? "sending" : "pending", notBefore, reply);
    },
    acknowledge(reply) {
      const command = Number(acknowledge.get(reply)?.["command"]);
      if (next.get(command) !== undefined) return false;
      return deleteCommand.run(command).changes === 1;
    },
    rewriteReply(reply, body) {
      rewrite.run(body, reply);
    },
    replaceReplies(command, replies, at) {
      if (isReplied.get(command) === undefined) return;
      deleteUnsent.run(command);
      writeReplies(command, replies, at);
    },
    expireReply(command, reason, at) {
      if (isReplied.get(command) === undefined) return;
      bury.run(reason, at, command);
      deleteCommand.run(command);
    },
  };
}
