/** A bootstrap file, a scripted service, and a log that remembers. */

import { mkdir, writeFile } from "node:fs/promises";
import type { RedeemAnswer } from "../../src/activation/answer.ts";
import type { ActivateOptions } from "../../src/activation/activate.ts";
import type { RedeemCall } from "../../src/activation/redeem.ts";
import type { Log } from "../../src/activation/report.ts";
import type { AccountPaths } from "../../src/credentials/home.ts";

export const CODE_A = `ac_${"AbC123_-xyz".repeat(4).slice(0, 43)}`;
export const CODE_B = `act_${"Zyx987-_cba".repeat(4).slice(0, 43)}`;
export const SECRET = "the-client-secret";
/** 13:45:23 local time on 8 April 2026. */
export const NOW = new Date(2026, 3, 8, 13, 45, 23);
export const STAMP = "20260408-134523";

export async function dropBootstrap(paths: AccountPaths, text = `# AgenTrux activation\n${CODE_A}\n`): Promise<void> {
  await mkdir(paths.dir, { recursive: true, mode: 0o700 });
  await writeFile(paths.bootstrap, text, { mode: 0o644 });
}

export class RememberingLog implements Log {
  readonly lines: string[] = [];
  info(text: string): void {
    this.lines.push(`info ${text}`);
  }
  warn(text: string): void {
    this.lines.push(`warn ${text}`);
  }
  error(text: string): void {
    this.lines.push(`error ${text}`);
  }
}

export function json(status: number, body: unknown, retryAfterMs?: number): RedeemAnswer {
  return { status, contentType: "application/json", text: JSON.stringify(body), retryAfterMs };
}

export const ACTIVATED = json(200, {
  script_id: "scr_1",
  client_secret: SECRET,
  grants: [{ grant_id: "g1", topic_id: "t1", action: "read" }],
});

/** Answers calls in turn: an answer, an error to throw, or a function of the call. The last one repeats. */
export class ScriptedService {
  readonly calls: { readonly path: string; readonly body: unknown }[] = [];
  readonly #script: readonly (RedeemAnswer | Error | (() => Promise<RedeemAnswer>))[];

  constructor(...script: readonly (RedeemAnswer | Error | (() => Promise<RedeemAnswer>))[]) {
    this.#script = script;
  }

  readonly call: RedeemCall = async (path, body) => {
    const step = this.#script[Math.min(this.calls.length, this.#script.length - 1)];
    this.calls.push({ path, body: JSON.parse(body) as unknown });
    if (step === undefined) throw new Error("no call was expected");
    if (step instanceof Error) throw step;
    return typeof step === "function" ? await step() : step;
  };
}

export function optionsFor(
  paths: AccountPaths,
  service: ScriptedService,
  signal: AbortSignal = new AbortController().signal,
): ActivateOptions & { readonly log: RememberingLog } {
  return {
    paths,
    baseUrl: "https://api.example.org",
    redeem: service.call,
    now: () => NOW,
    signal,
    log: new RememberingLog(),
  };
}
