import { hash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach } from "vitest";
import { AgentruxError } from "../../src/errors.ts";
import type { Store } from "../../src/journal/store.ts";
import type { AdmissionRow, JournalOperations, NewReply } from "../../src/journal/types.ts";

export function tempDir(): { path: string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), "agentrux-journal-"));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** A folder of its own for each test of a file, and where its journal lies. Hooks made later still find it at their ends. */
export function folderForEach(): { readonly path: string; readonly journal: string } {
  let dir = { path: "", remove: (): void => undefined };
  beforeEach(() => {
    dir = tempDir();
  });
  afterEach(() => dir.remove());
  return {
    get path() {
      return dir.path;
    },
    get journal() {
      return join(dir.path, "journal.sqlite");
    },
  };
}

export const hex = (text: string): string => hash("sha256", text, "hex").slice(0, 32);

export function row(name: string, extra: Partial<AdmissionRow> = {}): AdmissionRow {
  return { commandId: hex(name), producer: "scr_1", lane: "lane", body: JSON.stringify({ name }), ...extra };
}

export const reply = (name: string, part = 1): NewReply => ({
  replyId: `idk_${name}_${part}`,
  part,
  body: `"${name}"`,
});

/** One that is a whole reply by itself, as `compose` makes them. */
export const wholeReply = (name: string): NewReply => ({
  ...reply(name),
  body: JSON.stringify({ payload: { message: name, final: true } }),
});

/** The store's operations one by one, each in its own transaction. */
export function operations(store: Store, account = "default"): JournalOperations {
  return new Proxy({} as JournalOperations, {
    get:
      (_target, operation) =>
      (...args: readonly unknown[]) => {
        const [outcome] = store.run([{ account, operation: operation as keyof JournalOperations, args }]);
        if (outcome === undefined) throw new Error("no outcome");
        if ("error" in outcome) throw outcome.error;
        return outcome.value;
      },
  });
}

export async function codeOf(work: Promise<unknown> | (() => unknown)): Promise<string> {
  try {
    await (typeof work === "function" ? work() : work);
    return "no error";
  } catch (error) {
    if (error instanceof AgentruxError) return error.code;
    throw error;
  }
}
