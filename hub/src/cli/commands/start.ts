/** Owns `start`: runs a hub until it is told to stop. */
import { HubError } from "../../errors.ts";
import { keepYoungGenerationSmall } from "../../heap.ts";
import type { HubOptions, RunningHub } from "../../server.ts";
import type { CommandArgs } from "../args.ts";
import { oneOf, wholeNumber } from "../args.ts";
import type { Commands } from "../command.ts";
import type { CliIo } from "../io.ts";
import { CliError } from "../io.ts";
import { dataFolder } from "../locate.ts";

const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
/** A shorter admin token could be guessed by trying. */
const ADMIN_TOKEN_MIN_LENGTH = 20;
const PORT_MAX = 65_535;

export const startCommands: Commands = {
  start: {
    usage:
      "start [--host ADDRESS] [--port PORT] [--data DIR] [--public-url URL] [--log-level LEVEL] [--refuse-private-webhooks] [--flux-auth]",
    operands: [],
    options: {
      host: { type: "string" },
      port: { type: "string" },
      "public-url": { type: "string" },
      "log-level": { type: "string" },
      "refuse-private-webhooks": { type: "boolean" },
      "flux-auth": { type: "boolean" },
    },
    async run(args, io) {
      // Listened for before anything is up: who has read our first line may stop us at once.
      const stopRequested = io.stopRequested();
      const hub = await start(hubOptions(args, io));
      const record = { url: hub.url, adminToken: hub.adminToken, pid: process.pid };
      if (args.flag("json")) io.stdout(JSON.stringify(record));
      else io.stdout(welcome(hub.url, dataFolder(args, io)));
      await stopRequested;
      await hub.close();
      return undefined;
    },
  },
};

function hubOptions(args: CommandArgs, io: CliIo): HubOptions {
  const host = args.optional("host");
  const port = args.optional("port");
  const publicUrl = args.optional("public-url");
  const adminToken = io.env["AGENTRUX_HUB_ADMIN_TOKEN"];
  if (adminToken !== undefined && adminToken.length < ADMIN_TOKEN_MIN_LENGTH) {
    throw new CliError("CONFIG", `AGENTRUX_HUB_ADMIN_TOKEN must have ${ADMIN_TOKEN_MIN_LENGTH} characters or more.`);
  }
  return {
    dataDir: dataFolder(args, io),
    // With --json a program reads stdout and people read the log; without it they read both in one place.
    logLevel: oneOf("log-level", args.optional("log-level") ?? (args.flag("json") ? "info" : "warn"), LOG_LEVELS),
    webhooks: { allowPrivateAddresses: !args.flag("refuse-private-webhooks") },
    ...(args.flag("flux-auth") ? { flux: { auth: true } } : {}),
    ...(host === undefined ? {} : { host }),
    ...(port === undefined ? {} : { port: wholeNumber("port", port, 0, PORT_MAX) }),
    ...(publicUrl === undefined ? {} : { publicUrl }),
    ...(adminToken === undefined ? {} : { adminToken }),
  };
}

async function start(options: HubOptions): Promise<RunningHub> {
  keepYoungGenerationSmall();
  // The server is the larger part of the program, and no other command needs it.
  const { startHub } = await import("../../server.ts");
  try {
    return await startHub(options);
  } catch (error) {
    if (error instanceof HubError) throw error;
    throw listenError(error, options);
  }
}

/** What kept the listener from starting, in words that say what to do. */
function listenError(error: unknown, options: HubOptions): unknown {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  const where = `${options.host ?? "127.0.0.1"}:${options.port ?? "the default port"}`;
  if (code === "EADDRINUSE") {
    return new CliError("PORT_IN_USE", `${where} is taken. Choose another port, or --port 0 for any free one.`, {
      cause: error,
    });
  }
  if (code === "EACCES") {
    return new CliError("PORT_REFUSED", `This user may not listen on ${where}. Choose a port above 1023.`, {
      cause: error,
    });
  }
  if (code === "EADDRNOTAVAIL" || code === "ENOTFOUND") {
    return new CliError("NO_SUCH_ADDRESS", `${where} is no address of this machine. Give one of its own with --host.`, {
      cause: error,
    });
  }
  return error;
}

function welcome(url: string, folder: string): string {
  return [
    `The hub listens at ${url}`,
    `Data, and the admin token: ${folder}`,
    "Next: agentrux-hub topic create NAME, in another terminal",
    "Stop it with Ctrl-C.",
  ].join("\n");
}
