/**
 * Owns the memory of a code that was sent and not answered (W26). A server may have consumed it; then a later 404 does
 * not mean that the code was wrong. `BOOTSTRAP.md.attempt.json` holds the code's hash, is written before the call and
 * removed by any answer that settles the matter, so it also survives a crash in mid-call.
 */

import { createHash } from "node:crypto";
import { readFile, rm } from "node:fs/promises";
import writeFileAtomic from "write-file-atomic";
import type { AccountPaths } from "../credentials/home.ts";
import { diskError, PRIVATE_FILE_MODE, syncDirectory } from "../credentials/private-files.ts";
import { failpoint } from "../failpoint.ts";

export interface Attempt {
  /** An earlier attempt with this very code ended without an answer. */
  readonly hadUnanswered: boolean;
  /** The code is settled: used up, refused for good, or surely not touched by this attempt. */
  settle(outcome: "finished" | "untouched"): Promise<void>;
}

/** @throws AgentruxError `disk`; nothing was sent then. */
export async function beginAttempt(paths: AccountPaths, code: string, now: () => Date): Promise<Attempt> {
  const path = notePath(paths);
  const hash = hashOf(code);
  const hadUnanswered = (await rememberedHash(path)) === hash;
  try {
    const note = { code_sha256: hash, sent_at: now().toISOString() };
    await writeFileAtomic(path, `${JSON.stringify(note)}\n`, { mode: PRIVATE_FILE_MODE });
    await syncDirectory(paths.dir);
    failpoint("activation.attempt-noted");
  } catch (error) {
    throw diskError(`cannot write ${path}`, error);
  }
  return {
    hadUnanswered,
    settle: async (outcome) => {
      if (outcome === "finished" || !hadUnanswered) await rm(path, { force: true });
      failpoint("activation.attempt-settled");
    },
  };
}

/** Whether this very code was sent and no answer came. False also where a release that keeps no such note sent it. */
export async function wasSentUnanswered(paths: AccountPaths, code: string): Promise<boolean> {
  return (await rememberedHash(notePath(paths))) === hashOf(code);
}

function notePath(paths: AccountPaths): string {
  return `${paths.bootstrap}.attempt.json`;
}

/** A code has 43 random characters: its hash gives nothing away. */
function hashOf(code: string): string {
  return createHash("sha256").update(code).digest("hex");
}

async function rememberedHash(path: string): Promise<string | undefined> {
  try {
    const note: unknown = JSON.parse(await readFile(path, "utf8"));
    return typeof note === "object" && note !== null && "code_sha256" in note && typeof note.code_sha256 === "string"
      ? note.code_sha256
      : undefined;
  } catch {
    // Missing or unreadable: we remember nothing, which costs a hint in a message and no more.
    return undefined;
  }
}
