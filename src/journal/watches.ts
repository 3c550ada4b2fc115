/** Owns the tables `watches` and `watched`: what each watch of the world has told its agent of, and the turns it starts. */

import type { DatabaseSync } from "node:sqlite";
import type { Admission, AdmissionRow, JournalOperations, WatchedEntity, WatchRecord } from "./types.ts";

type Row = Record<string, unknown>;

function toRecord(row: Row): WatchRecord {
  return {
    name: String(row["name"]),
    ...(typeof row["definition"] === "string" ? { definition: row["definition"] } : {}),
    ...(typeof row["basis"] === "string" ? { basis: row["basis"] } : {}),
    born: Number(row["born"]),
    sequence: Number(row["sequence"]),
    turns: JSON.parse(String(row["turns"])) as number[],
  };
}

function toWatched(row: Row): WatchedEntity {
  return {
    entity: String(row["entity"]),
    ...(typeof row["state"] === "string" ? { state: row["state"] } : {}),
    ...(row["told_at"] === null ? {} : { toldAt: Number(row["told_at"]) }),
  };
}

/** @param admit Takes turns over like commands of a topic. */
export function watchOperations(
  db: DatabaseSync,
  account: string,
  admit: (topicId: string, rows: readonly AdmissionRow[], at: number) => Admission,
): Pick<JournalOperations, "watches" | "keepWatch" | "rebaseWatch" | "forgetWatch" | "watchedEntities" | "admitWatch"> {
  const list = db.prepare("SELECT * FROM watches WHERE account = ? ORDER BY id");
  const find = db.prepare("SELECT id FROM watches WHERE account = ? AND name = ?");
  const keep = db.prepare(
    `INSERT INTO watches (account, name, definition, born) VALUES (?, ?, ?, ?)
     ON CONFLICT (account, name) DO UPDATE SET definition = excluded.definition`,
  );
  const rebase = db.prepare("UPDATE watches SET basis = NULL WHERE id = ?");
  const clear = db.prepare("DELETE FROM watched WHERE watch = ?");
  const forget = db.prepare("DELETE FROM watches WHERE account = ? AND name = ?");
  const page = db.prepare(
    "SELECT entity, state, told_at FROM watched WHERE watch = ? AND entity > ? ORDER BY entity LIMIT ?",
  );
  const put = db.prepare(
    `INSERT INTO watched (watch, entity, state, told_at) VALUES (?, ?, ?, ?)
     ON CONFLICT (watch, entity) DO UPDATE SET state = excluded.state, told_at = excluded.told_at`,
  );
  const drop = db.prepare("DELETE FROM watched WHERE watch = ? AND entity = ?");
  const advance = db.prepare(
    "UPDATE watches SET sequence = ?, turns = ?, basis = coalesce(?, basis) WHERE id = ? AND sequence <= ?",
  );

  const idOf = (name: string): number | undefined => {
    const row = find.get(account, name);
    return row === undefined ? undefined : Number(row["id"]);
  };

  return {
    watches: () => list.all(account).map(toRecord),
    keepWatch(name, at, definition) {
      keep.run(account, name, definition ?? null, at);
    },
    rebaseWatch(name) {
      const id = idOf(name);
      if (id === undefined) return;
      rebase.run(id);
      clear.run(id);
    },
    forgetWatch: (name) => forget.run(account, name).changes === 1,
    watchedEntities(name, after, limit) {
      const id = idOf(name);
      return id === undefined ? [] : page.all(id, after, limit).map(toWatched);
    },
    admitWatch(name, { topicId, rows, entities, sequence, turns, basis }, at) {
      const id = idOf(name);
      // Removed meanwhile: nobody is to be told any more.
      if (id === undefined) return undefined;
      advance.run(sequence, JSON.stringify(turns), basis ?? null, id, sequence);
      for (const { entity, state, toldAt } of entities) {
        if (state === undefined && toldAt === undefined) drop.run(id, entity);
        else put.run(id, entity, state ?? null, toldAt ?? null);
      }
      return rows.length === 0 ? { ids: [] } : admit(topicId, rows, at);
    },
  };
}
