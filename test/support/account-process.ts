/** Starts, stops and signals an account that runs as a process of its own (account-child.ts). */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { createInterface } from "node:readline";
import type { AccountState } from "../../src/account/state.ts";
import type { ChildSettings } from "./account-child.ts";

export class AccountChild {
  /** What it has said of itself. */
  readonly states: AccountState[] = [];
  readonly #process: ChildProcess;
  readonly #ended: Promise<number | null>;

  private constructor(child: ChildProcess) {
    this.#process = child;
    this.#ended = once(child, "exit").then(([code]: unknown[]) => (typeof code === "number" ? code : null));
    if (child.stdout !== null) {
      createInterface({ input: child.stdout }).on("line", (line) => {
        this.states.push(JSON.parse(line) as AccountState);
      });
    }
  }

  /** @param dir Where its settings are written. */
  static async start(dir: string, settings: ChildSettings): Promise<AccountChild> {
    const file = path.join(dir, "account-child.json");
    await writeFile(file, JSON.stringify(settings), { mode: 0o600 });
    const program = path.join(import.meta.dirname, "account-child.ts");
    return new AccountChild(spawn(process.execPath, [program, file], { stdio: ["ignore", "pipe", "ignore"] }));
  }

  signal(name: "SIGSTOP" | "SIGCONT"): void {
    this.#process.kill(name);
  }

  /** Stops it in order; its exit code. Idempotent. */
  stop(): Promise<number | null> {
    // A suspended process would not hear the other.
    this.#process.kill("SIGCONT");
    this.#process.kill("SIGTERM");
    return this.#ended;
  }
}
