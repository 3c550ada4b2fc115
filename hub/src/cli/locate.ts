/** Owns finding the hub that a command is for: its address and its admin token. */
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { CommandArgs } from "./args.ts";
import type { CliIo } from "./io.ts";
import { CliError } from "./io.ts";

export interface HubLocation {
  readonly url: string;
  readonly adminToken: string;
}

/** The data folder a command line means: `--data`, else the environment's, else the one in the home directory. */
export function dataFolder(args: CommandArgs, io: CliIo): string {
  return resolve(args.optional("data") ?? io.env["AGENTRUX_HUB_DATA"] ?? join(io.homeDir, ".agentrux-hub"));
}

/**
 * Address and token: options first, then the environment, then what the running hub left in its data folder.
 * @throws CliError NOT_RUNNING, ADMIN_TOKEN_UNREADABLE
 */
export function locateHub(args: CommandArgs, io: CliIo): HubLocation {
  const folder = dataFolder(args, io);
  const url = args.optional("url") ?? runningHub(folder).url;
  const adminToken = args.optional("admin-token") ?? io.env["AGENTRUX_HUB_ADMIN_TOKEN"] ?? storedAdminToken(folder);
  return { url: url.replace(/\/+$/, ""), adminToken };
}

/** What the hub of a data folder wrote down when it started. @throws CliError NOT_RUNNING */
export function runningHub(folder: string): { readonly url: string; readonly pid: number } {
  const path = join(folder, "hub.json");
  try {
    const record: unknown = JSON.parse(readFileSync(path, "utf8"));
    if (isHubRecord(record)) return record;
  } catch (cause) {
    throw new CliError("NOT_RUNNING", notRunning(folder), { cause });
  }
  throw new CliError("NOT_RUNNING", notRunning(folder));
}

function storedAdminToken(folder: string): string {
  try {
    return readFileSync(join(folder, "admin-token"), "utf8").trim();
  } catch (cause) {
    throw new CliError(
      "ADMIN_TOKEN_UNREADABLE",
      `The admin token of ${folder} cannot be read. Give the hub's folder with --data, ` +
        "or the token in AGENTRUX_HUB_ADMIN_TOKEN.",
      { cause },
    );
  }
}

function notRunning(folder: string): string {
  return (
    `No hub has started in ${folder}. Start one with \`agentrux-hub start --data ${folder}\`, ` +
    "or say where it is with --data or --url."
  );
}

function isHubRecord(value: unknown): value is { url: string; pid: number } {
  return (
    typeof value === "object" &&
    value !== null &&
    "url" in value &&
    typeof value.url === "string" &&
    "pid" in value &&
    typeof value.pid === "number"
  );
}
