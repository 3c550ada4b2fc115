#!/usr/bin/env node
/**
 * Starts the hub's command line on a Node.js that can run it. Written for old Node.js versions too: when the one that
 * runs this file is too old, the CLI runs as a child on the toolchain's Node.js, and ends when this process ends, by
 * whatever cause: the child watches the IPC channel between the two.
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";

const MIN_MAJOR = 24;
const MIN_MINOR = 16;

// A checkout has sources, which Node.js runs as they are; a published package has only dist.
const main = [new URL("../src/cli/main.ts", import.meta.url), new URL("../dist/cli/main.js", import.meta.url)]
  .map((url) => fileURLToPath(url))
  .find((path) => existsSync(path));

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);

if (main === undefined) {
  fail("its own files are incomplete: neither src/cli nor dist/cli is there. Install agentrux-hub again.");
} else if (major > MIN_MAJOR || (major === MIN_MAJOR && minor >= MIN_MINOR)) {
  await import(pathToFileURL(main).href);
} else {
  const node = toolchainNode();
  if (node === undefined) {
    fail(
      `Node.js ${MIN_MAJOR}.${MIN_MINOR} or newer is needed and this is ${process.versions.node}. ` +
        `Install a newer Node.js, or add the package node-${platform()} next to agentrux-hub.`,
    );
  } else {
    runOn(node, main);
  }
}

function platform() {
  return `${process.platform}-${process.arch}`;
}

/** The Node.js that npm put beside this package, if there is one for this machine. */
function toolchainNode() {
  try {
    return createRequire(import.meta.url).resolve(`node-${platform()}/bin/node`);
  } catch {
    return undefined;
  }
}

function runOn(node, script) {
  const child = spawn(node, [script, ...process.argv.slice(2)], { stdio: ["inherit", "inherit", "inherit", "ipc"] });
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"];
  const forward = (signal) => child.kill(signal);
  for (const signal of signals) process.on(signal, forward);
  child.once("error", (error) => fail(`could not run ${node}: ${error.message}`));
  child.once("exit", (code, signal) => {
    for (const name of signals) process.off(name, forward);
    if (signal === null) process.exitCode = code ?? 1;
    else process.kill(process.pid, signal);
  });
}

function fail(message) {
  process.stderr.write(`agentrux-hub: ${message}\n`);
  process.exitCode = 1;
}
