/**
 * Owns every child process of the scripts: each runs in a process group of its own, is remembered until it has ended,
 * and is stopped as a group, so that workers of workers end too.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import { constants } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const LEASH = fileURLToPath(new URL("./leash.ts", import.meta.url));
const KILL_WAIT_MS = 1_000;
/** How long a child may take to stop by itself. Together with the kill this stays below five seconds. */
export const STOP_GRACE_MS = 3_500;

const groups = new Set<ProcessGroup>();

/** A child with its descendants. */
export class ProcessGroup {
  readonly name: string;
  readonly pid: number;
  /** Resolves with the exit code (128 + n after signal n) when the child itself has ended. */
  readonly exited: Promise<number>;
  #exitCode: number | undefined;

  constructor(name: string, child: ChildProcess) {
    if (child.pid === undefined) throw new Error(`cannot start ${name}`);
    this.name = name;
    this.pid = child.pid;
    groups.add(this);
    this.exited = new Promise((resolve) => {
      child.once("exit", (code, signal) => {
        this.#exitCode = signal === null ? (code ?? 1) : 128 + constants.signals[signal];
        this.signal("SIGKILL");
        groups.delete(this);
        resolve(this.#exitCode);
      });
    });
  }

  /** The exit code, or undefined while the child runs. */
  get exitCode(): number | undefined {
    return this.#exitCode;
  }

  /** Signals the whole group. A group that has gone already is no error. */
  signal(signal: NodeJS.Signals): void {
    try {
      process.kill(-this.pid, signal);
    } catch (error) {
      if (!isErrno(error, "ESRCH") && !isErrno(error, "EPERM")) throw error;
    }
  }

  /** Asks the group to stop; kills what is left after `graceMs`. */
  async stop(graceMs: number = STOP_GRACE_MS): Promise<void> {
    this.signal("SIGTERM");
    if (!(await settlesWithin(this.exited, graceMs))) await this.kill();
  }

  /** Kills the group as `kill -9` does. */
  async kill(): Promise<void> {
    this.signal("SIGKILL");
    await settlesWithin(this.exited, KILL_WAIT_MS);
  }
}

function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}

async function settlesWithin(promise: Promise<unknown>, ms: number): Promise<boolean> {
  const timer = new AbortController();
  const timeout = sleep(ms, false, { signal: timer.signal }).catch(() => false);
  try {
    return await Promise.race([promise.then(() => true), timeout]);
  } finally {
    timer.abort();
  }
}

/** A long-lived child: a Node script on the leash of this process. */
export interface LongLivedOptions {
  readonly name: string;
  /** The script and its arguments. Never secrets: other users can read them. */
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** Where stdout and stderr are appended; created with mode 0600. */
  readonly logFile: string;
  /** Set to keep stdout out of the log: the child's first line comes back as `firstLine`. */
  readonly takeFirstLine?: boolean;
}

/** Starts a long-lived child. `firstLine` rejects when the child ends before it has printed one. */
export function startLongLived(options: LongLivedOptions): { group: ProcessGroup; firstLine: Promise<string> } {
  const log = fs.openSync(options.logFile, "a", 0o600);
  const child = spawn(process.execPath, [LEASH, ...options.args], {
    env: options.env,
    detached: true,
    stdio: ["pipe", options.takeFirstLine === true ? "pipe" : log, log],
  });
  fs.closeSync(log);
  const group = new ProcessGroup(options.name, child);
  return { group, firstLine: firstLineOf(child, options) };
}

function firstLineOf(child: ChildProcess, options: LongLivedOptions): Promise<string> {
  const { stdout } = child;
  if (stdout === null) return Promise.resolve("");
  const rest = fs.createWriteStream(options.logFile, { flags: "a", mode: 0o600 });
  const line = new Promise<string>((resolve, reject) => {
    let head: string | undefined = "";
    stdout.setEncoding("utf8").on("data", (text: string) => {
      if (head === undefined) return void rest.write(text);
      head += text;
      const end = head.indexOf("\n");
      if (end < 0) return;
      rest.write(head.slice(end + 1));
      resolve(head.slice(0, end));
      head = undefined;
    });
    stdout.on("end", () => {
      rest.end();
      reject(new Error(`${options.name} ended before it was ready; see ${options.logFile}`));
    });
  });
  line.catch(() => undefined);
  return line;
}

/** What a finished command left behind. */
export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly timedOut: boolean;
}

/** How a command is run to its end. */
export interface CommandOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly timeoutMs: number;
  readonly cwd?: string;
}

/** Runs a Node script to its end. Never rejects over an exit code. */
export function runNode(args: readonly string[], options: CommandOptions): Promise<CommandResult> {
  return runCommand(process.execPath, args, options);
}

/** Runs a command to its end, and kills it with its group after `timeoutMs`. Never rejects over an exit code. */
export async function runCommand(
  file: string,
  args: readonly string[],
  options: CommandOptions,
): Promise<CommandResult> {
  const child = spawn(file, [...args], {
    env: options.env,
    cwd: options.cwd,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const closed = once(child, "close");
  let [stdout, stderr, timedOut] = ["", "", false];
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  let timer: NodeJS.Timeout | undefined;
  try {
    if (child.pid === undefined) await closed;
    const group = new ProcessGroup(path.basename(file), child);
    timer = setTimeout(() => {
      timedOut = true;
      group.signal("SIGKILL");
    }, options.timeoutMs);
    await closed;
    return { code: await group.exited, stdout, stderr, timedOut };
  } finally {
    clearTimeout(timer);
  }
}

/** Stops every child that still runs, all at once, within five seconds. */
export async function stopAllChildren(): Promise<void> {
  await Promise.all([...groups].map((group) => group.stop()));
}

/** The last resort when the process is ending and nothing can be awaited any more. */
export function killAllChildren(): void {
  for (const group of groups) group.signal("SIGKILL");
}
