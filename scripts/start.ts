/**
 * The main job: from a clone to an answered command, then a prompt. Owns the order of things, what goes to which stream,
 * and how it ends: whatever ends it, every child is stopped within five seconds.
 */

import path from "node:path";
import { createInterface } from "node:readline/promises";
import { killAllChildren, stopAllChildren } from "./lib/children.ts";
import type { Reply } from "./lib/client-replies.ts";
import { curlCommands, type Demo, startDemo } from "./lib/demo.ts";
import { DemoError } from "./lib/demo-error.ts";
import { parseOptions, type StartOptions, USAGE, UsageError } from "./lib/options.ts";
import { Steps } from "./lib/steps.ts";

const HEADER_RENEWAL_MS = 5 * 60_000;
const EXIT_INTERRUPTED = 130;
const EXIT_TERMINATED = 143;
const EXIT_USAGE = 2;
const FIRST_COMMAND = "ping";
const said = (text: string): string => text;

let ending = false;

/** Stops everything and exits. A second call, such as a second Ctrl-C, does not wait. */
async function end(code: number): Promise<never> {
  if (ending) {
    killAllChildren();
    process.exit(code);
  }
  ending = true;
  await stopAllChildren();
  process.exit(code);
}

function fail(error: unknown, options: StartOptions): Promise<never> {
  if (ending) return new Promise(() => undefined);
  const message = error instanceof Error ? error.message : String(error);
  const advice =
    error instanceof DemoError ? error.advice : `Logs are in ${options.stateDir}. "npm start -- --fresh" begins anew.`;
  process.stderr.write(`\n${message}\n\n${advice}\n`);
  return end(1);
}

process.on("SIGINT", () => void end(EXIT_INTERRUPTED));
process.on("SIGTERM", () => void end(EXIT_TERMINATED));
process.on("SIGHUP", () => void end(EXIT_TERMINATED));
process.on("exit", killAllChildren);

await main();

async function main(): Promise<void> {
  const options = readOptions();
  if (options === undefined) return;
  process.on("uncaughtException", (error) => void fail(error, options));
  try {
    const steps = new Steps(options.ask === undefined ? process.stdout : process.stderr);
    const demo = await startDemo(options, steps);
    void demo.ended.then((who) => fail(new Error(`${who} has ended by itself`), options));
    await (options.ask === undefined ? converse(demo, steps) : askOnce(demo, options.ask, steps));
  } catch (error) {
    await fail(error, options);
  }
}

function readOptions(): StartOptions | undefined {
  try {
    const options = parseOptions(process.argv.slice(2), path.join(import.meta.dirname, "..", ".demo"));
    if (options !== "help") return options;
    process.stdout.write(USAGE);
    return undefined;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`${error.message}\n\n${USAGE}`);
    process.exitCode = EXIT_USAGE;
    return undefined;
  }
}

async function askOnce(demo: Demo, message: string, steps: Steps): Promise<void> {
  const reply = await steps.run("Asking", () => demo.ask(message));
  if (reply.status === "completed") process.stdout.write(`${reply.message}\n`);
  else process.stderr.write(`\n${described(reply)}\n`);
  await end(reply.status === "completed" ? 0 : 1);
}

async function converse(demo: Demo, steps: Steps): Promise<void> {
  await demo.renewHeader();
  setInterval(() => void demo.renewHeader().catch(() => undefined), HEADER_RENEWAL_MS).unref();
  await steps.run(`Publishing "${FIRST_COMMAND}" as the first command`, () => demo.ask(FIRST_COMMAND), described);
  await steps.run("Looking for the agent in the shared world state", () => demo.presence(), said);
  await steps.run("Heating demo/room-1 to 31 degrees, which the agent watches", () => demo.wakeByChange(), said);
  const [send, read] = curlCommands(demo, process.cwd());
  steps.say();
  steps.heading(`The hub listens on ${demo.hubUrl}; the agent answers with ${demo.modelName}.`);
  steps.say("From another terminal:");
  steps.say(`  ${send}`);
  steps.say(`  ${read}`);
  steps.say("Or type a command here. Ctrl-D ends.");
  await prompt(demo, steps);
  await end(0);
}

/** Reads lines until there are no more; each is a command. */
async function prompt(demo: Demo, steps: Steps): Promise<void> {
  const terminal = process.stdin.isTTY && process.stdout.isTTY;
  const lines = createInterface({
    input: process.stdin,
    output: process.stdout,
    terminal,
    prompt: terminal ? "> " : "",
  });
  lines.on("SIGINT", () => {
    steps.say();
    void end(EXIT_INTERRUPTED);
  });
  // The last lines of an input that has ended are still answered, but an interface that has closed takes no prompt.
  let open = true;
  lines.on("close", () => (open = false));
  lines.prompt();
  for await (const line of lines) {
    if (line.trim() !== "") steps.say(await answer(demo, line));
    if (open) lines.prompt();
  }
  if (terminal) steps.say();
}

async function answer(demo: Demo, line: string): Promise<string> {
  try {
    return described(await demo.ask(line));
  } catch (error) {
    return `[no reply] ${error instanceof Error ? error.message : String(error)}`;
  }
}

function described(reply: Reply): string {
  return reply.status === "completed" ? reply.message : `[${reply.status}] ${reply.message}`;
}
