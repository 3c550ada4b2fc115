/**
 * Owns the state folder of the main job: the lock that keeps a second run out, and what a warm start re-uses. Everything
 * in it is private to the user, because credentials lie there.
 */

import { randomBytes } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { z } from "zod";
import { DemoError } from "./demo-error.ts";

const LOCK_FILE = "lock.sqlite";
const STATE_FILE = "state.json";
const SQLITE_BUSY = 5;
/** Locks in force. Kept here, because one that nobody refers to any more would be collected, and so let go. */
const heldLocks = new Set<DatabaseSync>();

const topology = z.object({
  commandTopicId: z.string(),
  resultTopicId: z.string(),
  agentScriptId: z.string(),
  clientScriptId: z.string(),
});

const credentials = z.object({
  baseUrl: z.string(),
  scriptId: z.string(),
  clientSecret: z.string(),
  accessToken: z.string().optional(),
  renewAt: z.number().optional(),
});

const stateShape = z.object({
  version: z.literal(1),
  gatewayToken: z.string().min(32),
  hubPort: z.number().optional(),
  gatewayPort: z.number().optional(),
  modelPort: z.number().optional(),
  topology: topology.optional(),
  client: credentials.optional(),
  /** The packed plugin, and the hash of the sources it was packed from. */
  pack: z.object({ sources: z.string(), tarball: z.string(), sha256: z.string() }).optional(),
  /** What is installed: hash of the tarball and version of the host. */
  installed: z.string().optional(),
  /** Which kind of model the host was set up for. */
  model: z.string().optional(),
  /** Hash of the settings the host was given. */
  configured: z.string().optional(),
});

/** What one run leaves for the next. Every field may be missing; then it is made anew. */
export type DemoState = z.infer<typeof stateShape>;

/** Topics and scripts on the hub. */
export type Topology = z.infer<typeof topology>;

/** The state folder, held by this process until it closes it or ends. */
export class StateFolder {
  readonly dir: string;
  readonly state: DemoState;
  readonly #lock: DatabaseSync;

  private constructor(dir: string, state: DemoState, lock: DatabaseSync) {
    this.dir = dir;
    this.state = state;
    this.#lock = lock;
  }

  /**
   * Takes the folder.
   *
   * @param options.fresh Empties it first.
   * @throws DemoError when another run holds it.
   */
  static open(dir: string, options: { readonly fresh: boolean }): StateFolder {
    fs.mkdirSync(dir, { recursive: true, mode: 0o700 });
    const lock = takeLock(dir);
    if (options.fresh) empty(dir);
    return new StateFolder(dir, readState(path.join(dir, STATE_FILE)), lock);
  }

  /** A path inside the folder. */
  path(...parts: readonly string[]): string {
    return path.join(this.dir, ...parts);
  }

  /** Writes the state down, whole or not at all. */
  save(): void {
    writePrivate(this.path(STATE_FILE), `${JSON.stringify(this.state, null, 2)}\n`);
  }

  /** Lets the next run in. */
  close(): void {
    heldLocks.delete(this.#lock);
    this.#lock.close();
  }
}

/** A lock of the kernel's, by way of SQLite: it is gone when its holder is gone, however that came about. */
function takeLock(dir: string): DatabaseSync {
  const lock = new DatabaseSync(path.join(dir, LOCK_FILE), { timeout: 0 });
  try {
    lock.exec("BEGIN EXCLUSIVE");
    heldLocks.add(lock);
    return lock;
  } catch (cause) {
    lock.close();
    if (!(cause instanceof Error && "errcode" in cause && cause.errcode === SQLITE_BUSY)) throw cause;
    throw new DemoError(
      `another "npm start" is using ${dir}`,
      "Use that one, stop it, or give this one a folder of its own: npm start -- --state <dir>",
      { cause },
    );
  }
}

function empty(dir: string): void {
  for (const name of fs.readdirSync(dir)) {
    if (!name.startsWith(LOCK_FILE)) fs.rmSync(path.join(dir, name), { recursive: true, force: true });
  }
}

/** A state that cannot be read is no reason to stop: everything in it can be made anew. */
function readState(file: string): DemoState {
  try {
    return stateShape.parse(JSON.parse(fs.readFileSync(file, "utf8")));
  } catch {
    return { version: 1, gatewayToken: randomBytes(24).toString("hex") };
  }
}

/** Writes a file for the user's eyes only, whole or not at all. */
export function writePrivate(file: string, content: string): void {
  const draft = `${file}.tmp`;
  fs.writeFileSync(draft, content, { mode: 0o600 });
  fs.renameSync(draft, file);
}
