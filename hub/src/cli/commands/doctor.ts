/** Owns `doctor`: looks at everything that can be wrong with a hub, and says what to do about each. */
import { statfsSync, statSync } from "node:fs";
import { join } from "node:path";
import { createAdminClient } from "../admin-client.ts";
import type { CommandArgs } from "../args.ts";
import type { Commands } from "../command.ts";
import type { CliIo } from "../io.ts";
import { dataFolder, locateHub } from "../locate.ts";
import { scriptListSchema, topicListSchema } from "../resolve.ts";

const TIMEOUT_MS = 5000;
const LOW_DISK_BYTES = 512 * 1024 * 1024;
/** Access of anyone but the owner. */
const OTHERS_MODE = 0o077;
const SECRET_FILES = ["admin-token", "signing-key.json", "object-url.key", "hub.db"];

interface Check {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
}

export const doctorCommands: Commands = {
  doctor: {
    usage: "doctor",
    operands: [],
    options: {},
    async run(args, io) {
      const remote = args.optional("url") !== undefined;
      const folder = dataFolder(args, io);
      const checks = [
        ...(remote ? [] : [folderCheck(folder), ...diskChecks(folder)]),
        await reachable(args, io, "/healthz", "hub answers"),
        await reachable(args, io, "/readyz", "store is writable"),
        await consoleCheck(args, io),
      ];
      const ok = checks.every((check) => check.ok);
      const lines = checks.map((check) => `${check.ok ? "ok  " : "BAD "} ${check.name}: ${check.detail}`);
      return { json: { ok, checks }, text: lines.join("\n"), exitCode: ok ? 0 : 1 };
    },
  },
};

function folderCheck(folder: string): Check {
  const name = "data folder is private";
  const open: string[] = [];
  for (const path of [folder, ...SECRET_FILES.map((file) => join(folder, file))]) {
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat === undefined && path === folder) {
      return { name, ok: false, detail: `${folder} does not exist. Start a hub, or give its folder with --data.` };
    }
    if (stat !== undefined && (stat.mode & OTHERS_MODE) !== 0) open.push(path);
  }
  if (open.length === 0) return { name, ok: true, detail: folder };
  return { name, ok: false, detail: `other users can get at ${open.join(", ")}. Run: chmod go= ${open.join(" ")}` };
}

function diskChecks(folder: string): Check[] {
  try {
    const { bavail, bsize } = statfsSync(folder);
    const free = bavail * bsize;
    const detail = `${Math.round(free / 1024 / 1024)} MiB free${free < LOW_DISK_BYTES ? ". Make room." : ""}`;
    return [{ name: "disk has room", ok: free >= LOW_DISK_BYTES, detail }];
  } catch {
    // Without a folder there is no disk to look at, and the check before has said so.
    return [];
  }
}

async function reachable(args: CommandArgs, io: CliIo, path: string, name: string): Promise<Check> {
  try {
    const { url } = locateHub(args, io);
    const response = await fetch(url + path, { redirect: "error", signal: AbortSignal.timeout(TIMEOUT_MS) });
    await response.body?.cancel();
    return { name, ok: response.ok, detail: response.ok ? url : `${url}${path} answers ${response.status}.` };
  } catch (error) {
    return { name, ok: false, detail: reason(error) };
  }
}

async function consoleCheck(args: CommandArgs, io: CliIo): Promise<Check> {
  const name = "admin token works";
  try {
    const client = createAdminClient(locateHub(args, io));
    const { topics } = await client.get("/console/topics", topicListSchema);
    const { scripts } = await client.get("/console/scripts", scriptListSchema);
    return { name, ok: true, detail: `${topics.length} topics, ${scripts.length} scripts` };
  } catch (error) {
    return { name, ok: false, detail: reason(error) };
  }
}

function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error && error.name === "TypeError" ? error.cause.message : error.message;
}
