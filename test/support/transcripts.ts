/** What tools were asked and what they said, for the documentation; see `scripts/tool-docs.ts`. */

import fs from "node:fs";

export interface Transcript {
  readonly tool: string;
  /** Who asked: the gateway's owner, or a stranger on a topic. */
  readonly by: "owner" | "topic";
  readonly args: object;
  readonly result: string;
}

export class Transcripts {
  readonly #file = process.env["TOOL_TRANSCRIPTS"];

  /** Writes it down where the documentation is being made; nothing otherwise. */
  add(tool: string, by: Transcript["by"], args: object, result: string): void {
    if (this.#file === undefined) return;
    fs.appendFileSync(this.#file, `${JSON.stringify({ tool, by, args, result } satisfies Transcript)}\n`);
  }
}
