/** Owns showing steps as they happen: what is being done, what came of it, how long it took. */

import type { WriteStream } from "node:tty";

const [BOLD, DIM, GREEN, RED, RESET] = ["\u001b[1m", "\u001b[2m", "\u001b[32m", "\u001b[31m", "\u001b[0m"];
const CLEAR_LINE = "\r\u001b[2K";

/** Writes to one stream, in colour and with a live line on a terminal, in plain lines elsewhere. */
export class Steps {
  readonly #out: NodeJS.WritableStream;
  readonly #terminal: boolean;

  constructor(out: NodeJS.WritableStream & Partial<Pick<WriteStream, "isTTY">>) {
    this.#out = out;
    this.#terminal = out.isTTY === true && process.env["NO_COLOR"] === undefined;
  }

  /**
   * Does one step.
   *
   * @param what Shown at once, in the form "Starting the hub".
   * @param outcome Says what came of it, once done.
   */
  async run<T>(what: string, work: () => Promise<T>, outcome?: (value: T) => string | undefined): Promise<T> {
    const start = performance.now();
    this.#out.write(this.#terminal ? `  ${what} ...` : `- ${what}\n`);
    try {
      const value = await work();
      const said = outcome?.(value);
      this.#finish(`${this.#paint(GREEN, "✓")} ${what}${said === undefined ? "" : `: ${said}`}`, start);
      return value;
    } catch (error) {
      this.#finish(`${this.#paint(RED, "✗")} ${what}`, start);
      throw error;
    }
  }

  /** A line of its own. */
  say(line = ""): void {
    this.#out.write(`${line}\n`);
  }

  /** A line that stands out. */
  heading(line: string): void {
    this.say(this.#paint(BOLD, line));
  }

  #finish(line: string, start: number): void {
    const seconds = `${((performance.now() - start) / 1000).toFixed(1)} s`;
    this.#out.write(`${this.#terminal ? CLEAR_LINE : ""}${line}  ${this.#paint(DIM, `(${seconds})`)}\n`);
  }

  #paint(colour: string, text: string): string {
    return this.#terminal ? `${colour}${text}${RESET}` : text;
  }
}
