/** Owns a hub as a process of its own, for tests that kill it or give it little memory. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { textOf } from "./hub.ts";

/** Runs a hub on the folder it is given. */
export const CHILD_HUB = join(import.meta.dirname, "child-hub.ts");

export interface ChildHub {
  readonly child: ChildProcess;
  readonly url: string;
}

/** @param nodeOptions such as `--max-old-space-size=64` */
export async function childHub(
  dataDir: string,
  args: readonly string[] = [],
  nodeOptions: readonly string[] = [],
): Promise<ChildHub> {
  const child = spawn(process.execPath, [...nodeOptions, CHILD_HUB, dataDir, ...args], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  return { child, url: textOf((JSON.parse(line.toString()) as { url: string }).url) };
}
