/**
 * Owns reading one command line of a POSIX shell, strictly: the part of the language whose meaning is the same in every
 * shell the host may use (sh, bash, dash, zsh), and nothing else. Pure.
 *
 *     line     = pipeline { ("&&" | "||" | ";") pipeline }
 *     pipeline = command { "|" command }
 *     command  = word { word | harmless redirection }
 *     word     = { plain character | 'text' | "text" }
 *
 * Everything by which a shell replaces text by other text, runs something the words do not show, or touches a file is
 * refused with a reason: substitutions, variables, globs, braces, tildes, escapes, environment prefixes, here-documents,
 * background, groups, functions, keywords, comments, newlines. So is any character that is not plainly visible or that
 * another program might take for a different one. What remains is a list of argument vectors, exactly as the programs
 * would be given them.
 *
 * Redirections are refused even inside the workspace, where an agent keeps the files that tell it who it is; only
 * `/dev/null` and joining standard output and error are harmless.
 */

export type ParsedLine =
  | { readonly ok: true; readonly commands: readonly (readonly string[])[] }
  | { readonly ok: false; readonly reason: string };

/** Characters a word may hold outside quotes. No glob, brace, tilde, history, comment or escape character among them. */
const PLAIN = /^[\p{L}\p{M}\p{N}_@%+=:,./-]$/u;
/** Characters that are visible, or the ASCII space or tab; anything else may hide something. */
const VISIBLE = /^[\p{L}\p{M}\p{N}\p{P}\p{S} \t]*$/u;
/** Kept from the inside of double quotes, where a shell still replaces. */
const ALIVE_IN_DOUBLE_QUOTES = /[$`\\!]/;
/** A command's name: no assignment, no job number, no word of another alphabet that reads like a known one. */
const COMMAND_NAME = /^[A-Za-z0-9_./+-]+$/;

const KEYWORDS: ReadonlySet<string> = new Set(
  "if then elif else fi case esac for select while until do done in function time coproc repeat foreach end".split(" "),
);

/** Commands that change how the shell reads the next one, or read a text as commands. */
const CHANGES_THE_SHELL: ReadonlySet<string> = new Set(
  (
    ". source eval exec command builtin trap alias unalias set unset shopt setopt unsetopt emulate export declare " +
    "typeset local readonly let read mapfile readarray getopts enable disable hash bind complete compgen autoload zmodload " +
    "fc history jobs fg bg wait disown suspend logout umask ulimit noglob nocorrect vared zparseopts zformat"
  ).split(" "),
);

const REASONS: Readonly<Record<string, string>> = {
  $: "variables and substitutions are not allowed",
  "`": "command substitutions are not allowed",
  "\\": "escapes are not allowed; use single quotes",
  "*": "file name patterns are not allowed",
  "?": "file name patterns are not allowed",
  "[": "file name patterns are not allowed",
  "]": "file name patterns are not allowed",
  "^": "file name patterns are not allowed",
  "{": "braces are not allowed",
  "}": "braces are not allowed",
  "(": "subshells and functions are not allowed",
  ")": "subshells and functions are not allowed",
  "~": "the home folder has to be written out",
  "#": "comments are not allowed",
  "!": "history and negation are not allowed",
  "\n": "a line break is not allowed",
  "\r": "a line break is not allowed",
};

class Refusal extends Error {}

function refuse(reason: string): never {
  throw new Refusal(reason);
}

/** One pass over the line, a character at a time. */
class Reader {
  readonly #line: string;
  #at = 0;

  constructor(line: string) {
    this.#line = line;
  }

  read(): string[][] {
    const commands: string[][] = [];
    for (;;) {
      commands.push(this.#command());
      if (this.#at >= this.#line.length) return commands;
      this.#operator();
    }
  }

  #peek(offset = 0): string {
    return this.#line[this.#at + offset] ?? "";
  }

  #skipBlanks(): void {
    while (this.#peek() === " " || this.#peek() === "\t") this.#at += 1;
  }

  /** `&&`, `||`, `;` or `|`. */
  #operator(): void {
    const pair = this.#peek() + this.#peek(1);
    if (pair === "&&" || pair === "||") this.#at += 2;
    else if (pair === "|&" || pair === ";;" || pair === ";&") refuse(`"${pair}" is not allowed`);
    else if (this.#peek() === "&") refuse("running in the background is not allowed");
    else this.#at += 1;
  }

  /** Words up to the next operator or the end. */
  #command(): string[] {
    const words: string[] = [];
    for (;;) {
      this.#skipBlanks();
      const next = this.#peek();
      if (next === "" || next === ";" || next === "|" || next === "&") break;
      if (next === "<" || next === ">") this.#redirection();
      else if (/^[0-9]$/.test(next) && /^[<>]$/.test(this.#peek(1))) this.#redirection();
      else words.push(this.#word(words.length === 0));
    }
    if (words.length === 0) refuse("a command is missing");
    // Both store their text in a variable of the shell, PATH for one.
    if (/^print(?:f)?$/.test(words[0] ?? "") && words.some((word) => word.startsWith("-v"))) {
      refuse("setting a variable is not allowed");
    }
    return words;
  }

  /** Joining outputs, and `/dev/null`; the target has to be written plainly. */
  #redirection(): void {
    const harmless = /^(?:[012]?>{1,2}[ \t]*\/dev\/null|0?<[ \t]*\/dev\/null|[12]?>&[12])(?=$|[ \t;|&])/.exec(
      this.#line.slice(this.#at),
    );
    if (harmless === null) {
      const heredoc = /^[0-9]*<</.test(this.#line.slice(this.#at));
      refuse(heredoc ? "here-documents are not allowed" : "redirections to and from files are not allowed");
    }
    this.#at += harmless[0].length;
  }

  #word(first: boolean): string {
    let word = "";
    let quoted = false;
    for (;;) {
      const next = this.#peek();
      if (next === "'" || next === '"') {
        word += this.#quoted(next);
        quoted = true;
        continue;
      }
      if (next === "" || /^[ \t;|&<>]$/.test(next)) break;
      const character = String.fromCodePoint(this.#line.codePointAt(this.#at) ?? 0);
      if (!PLAIN.test(character)) refuse(REASONS[character] ?? `"${character}" has to be quoted`);
      // zsh reads =name as the path of a program.
      if (character === "=" && word === "" && !quoted) refuse('a word may not begin with "="');
      word += character;
      this.#at += character.length;
    }
    // In "2>" the digits belong to the redirection; in "ab2>" they do not, but a reader would have to know that.
    if (/^[<>]$/.test(this.#peek())) refuse("a redirection has to stand apart from the word before it");
    if (first) checkName(word, quoted);
    return word;
  }

  #quoted(quote: string): string {
    const end = this.#line.indexOf(quote, this.#at + 1);
    if (end < 0) refuse("a quote is not closed");
    const text = this.#line.slice(this.#at + 1, end);
    if (quote === '"' && ALIVE_IN_DOUBLE_QUOTES.test(text)) {
      refuse('"$", "`", "\\" and "!" are not allowed in double quotes; use single quotes');
    }
    // fish reads \' and \\ inside single quotes; elsewhere they are two characters.
    if (quote === "'" && /\\(?:\\|$)/.test(text)) refuse("this use of a backslash in quotes is not allowed");
    this.#at = end + 1;
    return text;
  }
}

function checkName(word: string, quoted: boolean): void {
  if (!quoted && /^[A-Za-z_][A-Za-z0-9_]*\+?=/.test(word)) refuse("environment assignments are not allowed");
  if (!COMMAND_NAME.test(word)) refuse("the command's name is not a plain word");
  if (KEYWORDS.has(word)) refuse(`"${word}" is a keyword of the shell`);
  if (CHANGES_THE_SHELL.has(word)) refuse(`"${word}" changes how the shell reads what follows`);
}

/**
 * Reads a command line. Never throws.
 *
 * @example parseLine("df -h | grep 'my disk'") // { ok: true, commands: [["df", "-h"], ["grep", "my disk"]] }
 * @example parseLine("df; $(id)") // { ok: false, reason: "variables and substitutions are not allowed" }
 */
export function parseLine(line: string): ParsedLine {
  try {
    if (/[\n\r]/.test(line)) refuse("a line break is not allowed");
    if (!line.isWellFormed() || !VISIBLE.test(line)) refuse("an invisible character or a foreign space is not allowed");
    if (line.normalize("NFKC") !== line) refuse("a character that can be taken for another one is not allowed");
    return { ok: true, commands: new Reader(line).read() };
  } catch (error) {
    if (error instanceof Refusal) return { ok: false, reason: error.message };
    throw error;
  }
}

/**
 * One command as one text that says exactly which arguments it has: the words joined by single spaces, each in single
 * quotes unless it consists of plain characters. Two texts are equal only if the commands are.
 */
export function canonical(words: readonly string[]): string {
  const plain = /^[\p{L}\p{M}\p{N}_@%+=:,./-]+$/u;
  return words.map((word) => (plain.test(word) ? word : `'${word.replaceAll("'", `'"'"'`)}'`)).join(" ");
}
