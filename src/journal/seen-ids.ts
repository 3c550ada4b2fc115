/**
 * Owns the table `seen` and its picture in memory, for one account.
 *
 * The picture is loaded at the first admission and thrown away whenever it may differ from the file: after a
 * transaction was undone, and after old blocks were removed. Loading a million keys takes some tens of milliseconds.
 */

import type { DatabaseSync } from "node:sqlite";
import { encodeKeys, KEY_BYTES, type SeenKey, seenKey, SeenSet } from "./seen.ts";
import type { Retention } from "./retention.ts";
import { EVENT_KNOWN, REQUEST_KNOWN } from "./types.ts";

/** A block is filled up to this before the next one is begun: one page of the file. */
const BLOCK_KEYS = 256;
/** Removing is put off until this share of the limit has piled up: each removal costs a reload. */
const SLACK = 1 / 16;

type IdRetention = Pick<Retention, "idsForMs" | "minIds" | "maxIds">;

export interface SeenIds {
  /** Remembers both keys until `write`. Otherwise says which one was known. */
  take(eventKey: string, requestKey: string | undefined): typeof EVENT_KNOWN | typeof REQUEST_KNOWN | undefined;
  /** Writes what was taken since the last write. */
  write(at: number): void;
  /** Forgets the picture in memory. */
  discard(): void;
  /** Removes what is past its time or number, oldest first. */
  forget(at: number, retention: IdRetention): void;
}

export function createSeenIds(db: DatabaseSync, account: string): SeenIds {
  const blocks = db.prepare("SELECT keys FROM seen WHERE account = ?");
  const last = db.prepare("SELECT id, length(keys) AS bytes FROM seen WHERE account = ? ORDER BY id DESC LIMIT 1");
  const append = db.prepare(
    "UPDATE seen SET keys = CAST(keys || ? AS BLOB), newest_at = max(newest_at, ?) WHERE id = ?",
  );
  const insert = db.prepare("INSERT INTO seen (account, newest_at, keys) VALUES (?, ?, ?)");
  const sizes = db.prepare("SELECT id, newest_at, length(keys) AS bytes FROM seen WHERE account = ? ORDER BY id DESC");
  const remove = db.prepare("DELETE FROM seen WHERE account = ? AND id <= ?");

  let picture: SeenSet | undefined;
  let taken: SeenKey[] = [];

  const load = (): SeenSet => {
    const set = new SeenSet();
    for (const row of blocks.iterate(account)) {
      const keys = row["keys"];
      if (keys instanceof Uint8Array) set.addBlock(keys);
    }
    return set;
  };

  return {
    take(eventKey, requestKey) {
      picture ??= load();
      const event = seenKey(eventKey);
      if (picture.has(event)) return EVENT_KNOWN;
      const request = requestKey === undefined ? undefined : seenKey(requestKey);
      if (request !== undefined && picture.has(request)) return REQUEST_KNOWN;
      for (const key of request === undefined ? [event] : [event, request]) {
        picture.add(key);
        taken.push(key);
      }
      return undefined;
    },
    write(at) {
      if (taken.length === 0) return;
      const keys = encodeKeys(taken);
      const block = last.get(account);
      const room = block === undefined ? 0 : BLOCK_KEYS - Number(block["bytes"]) / KEY_BYTES;
      if (block !== undefined && taken.length <= room) append.run(keys, at, Number(block["id"]));
      else insert.run(account, at, keys);
      taken = [];
    },
    discard() {
      picture = undefined;
      taken = [];
    },
    forget(at, { idsForMs, minIds, maxIds }) {
      let kept = 0;
      let expired: { readonly id: number; readonly keptBefore: number } | undefined;
      for (const row of sizes.iterate(account)) {
        const keptBefore = kept;
        kept += Number(row["bytes"]) / KEY_BYTES;
        const isOld = keptBefore >= minIds && Number(row["newest_at"]) < at - idsForMs;
        // A block from a time when the clock was behind is no reason to forget those before it.
        if (kept <= maxIds && !isOld) expired = undefined;
        else expired ??= { id: Number(row["id"]), keptBefore };
      }
      if (expired === undefined || kept - expired.keptBefore < Math.min(maxIds, kept) * SLACK) return;
      remove.run(account, expired.id);
      picture = undefined;
    },
  };
}
