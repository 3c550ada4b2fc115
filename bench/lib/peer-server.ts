/** Owns another project's server for the length of a benchmark: started on loopback, awaited, stopped. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { readFile } from "node:fs/promises";
import net from "node:net";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const START_LIMIT_MS = 10_000;
const STOP_GRACE_MS = 5_000;
const LOOK_EVERY_MS = 50;

export interface PeerServer {
  stop(): Promise<void>;
}

/**
 * Starts a server and waits until its port answers.
 *
 * @returns undefined where the program is not installed
 * @throws with the end of its log when it does not come up
 */
export async function startPeer(
  program: string,
  args: readonly string[],
  { dir, port }: { readonly dir: string; readonly port: number },
): Promise<PeerServer | undefined> {
  const logFile = path.join(dir, `${program}.log`);
  const log = openSync(logFile, "a", 0o600);
  const child = spawn(program, [...args], { cwd: dir, stdio: ["ignore", log, log] });
  closeSync(log);
  const started = await Promise.race([once(child, "spawn").then(() => true), once(child, "error").then(() => false)]);
  if (!started) return undefined;
  const kill = (): void => void child.kill("SIGKILL");
  process.once("exit", kill);
  for (const end = Date.now() + START_LIMIT_MS; Date.now() < end && child.exitCode === null;) {
    if (await answers(port)) return { stop: () => stop(child, kill) };
    await sleep(LOOK_EVERY_MS);
  }
  kill();
  throw new Error(`${program} did not start: ${(await readFile(logFile, "utf8")).slice(-500)}`);
}

async function stop(child: ChildProcess, kill: () => void): Promise<void> {
  process.removeListener("exit", kill);
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGTERM");
  const timer = setTimeout(kill, STOP_GRACE_MS);
  await exited;
  clearTimeout(timer);
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ host: "127.0.0.1", port });
    const end = (answer: boolean) => () => {
      socket.destroy();
      resolve(answer);
    };
    socket.once("connect", end(true));
    socket.once("error", end(false));
  });
}
