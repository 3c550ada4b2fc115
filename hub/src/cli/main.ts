/** The program `agentrux-hub`: gives one run of the command line the process it runs in. */
import { homedir } from "node:os";
import type { CliIo } from "./io.ts";
import { runCli } from "./run.ts";

const io: CliIo = {
  env: process.env,
  homeDir: homedir(),
  stdout: (line) => void process.stdout.write(`${line}\n`),
  stderr: (line) => void process.stderr.write(`${line}\n`),
  stopRequested: () =>
    new Promise((resolve) => {
      for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => resolve());
    }),
};

// Who reads our output may stop doing so, as `start --json | head -1` does. A hub does not end for that.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
  });
}

// An IPC channel means that another process started this one and wants it to end with itself, even if it is killed.
if (process.channel) {
  process.once("disconnect", () => process.kill(process.pid, "SIGTERM"));
  process.channel.unref();
}

process.exitCode = await runCli(process.argv.slice(2), io);
