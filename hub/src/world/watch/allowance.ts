/** Owns how much text of one kind a watcher may make the hub keep: so many pieces, and so long together. */

const MAX_PIECES = 10_000;
/** A hundred for each piece. */
const MAX_CHARACTERS = 1024 * 1024;

export class Allowance {
  /** As those are told who want more. */
  static readonly bound = `at most ${MAX_PIECES}, of ${MAX_CHARACTERS} characters together`;

  #pieces = 0;
  #characters = 0;

  /** @returns whether there was room */
  take(text: string): boolean {
    if (this.#pieces >= MAX_PIECES || this.#characters + text.length > MAX_CHARACTERS) return false;
    this.#pieces += 1;
    this.#characters += text.length;
    return true;
  }

  giveBack(text: string): void {
    this.#pieces -= 1;
    this.#characters -= text.length;
  }
}
