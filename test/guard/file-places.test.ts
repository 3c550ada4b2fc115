/** Which files a topic's turn may touch, on a disk that looks like a host's. */

import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { namedFiles } from "../../src/guard/file-call.ts";
import { type FilePlaces, KEY_STORES, whyFilesRefused } from "../../src/guard/file-places.ts";

let home: string;
let workspace: string;
let places: FilePlaces;

beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), "agentrux-places-"));
  const put = (...parts: string[]): void => {
    const path = join(home, ...parts);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, "x");
  };
  const state = join(home, ".openclaw");
  workspace = join(state, "workspace");
  put(".agentrux", "credentials.json");
  put(".agentrux", "accounts", "me", "credentials.json");
  put(".ssh", "id_rsa");
  put(".openclaw", "openclaw.json");
  put(".openclaw", "credentials", "x.json");
  put(".openclaw", "workspace-2", "x.txt");
  put(".openclaw", "media", "inbound", "file.png");
  put(".openclaw", "skills", "maps", "SKILL.md");
  put(".openclaw", "extensions", "plugin", "skills", "flux", "SKILL.md");
  put(".openclaw", "workspace", "notes", "a.md");
  put(".openclaw", "workspace", "notes", "persona.md");
  put(".openclaw", "workspace", "AGENTS.md");
  put(".openclaw", "workspace", "skills", "mine", "SKILL.md");
  put(".openclaw", "workspace", ".git", "config");
  put("elsewhere", "plan.txt");
  symlinkSync(join(home, ".agentrux"), join(workspace, "keys"));
  symlinkSync(join(home, ".agentrux", "accounts"), join(workspace, "deep"));
  symlinkSync("keys", join(workspace, "chain"));
  symlinkSync(join(home, ".agentrux", "none.json"), join(workspace, "dangling"));
  symlinkSync("skills", join(workspace, "know-how"));
  symlinkSync(join("notes", "persona.md"), join(workspace, "SOUL.md"));
  symlinkSync(join(home, "elsewhere"), join(workspace, "out"));
  symlinkSync("loop", join(workspace, "loop"));
  places = {
    workspace,
    homes: [home],
    open: [join(state, "skills"), join(state, "extensions")],
    openByName: [join(state, "media")],
    closed: [state, ...KEY_STORES.map((name) => join(home, name))],
    sealed: [join(home, ".agentrux"), "/proc"],
  };
});

afterAll(() => rmSync(home, { recursive: true, force: true }));

/** `{}` stands for the home directory. */
const filled = (text: string): string => text.replaceAll("{}", home);

async function why(
  tool: string,
  params: Record<string, unknown>,
  where: FilePlaces = places,
): Promise<string | undefined> {
  const files = namedFiles(tool, params);
  return files.ok ? whyFilesRefused(files, where) : files.reason;
}

const SECRET_PATHS = [
  "{}/.agentrux/credentials.json",
  "{}/.agentrux",
  "{}/.agentrux/",
  "{}/.agentrux/none",
  "{}/.agentrux.bak/credentials.json",
  "{}/.AgenTrux/credentials.json",
  "{}//.agentrux/./credentials.json",
  "{}/elsewhere/../.agentrux/credentials.json",
  "~/.agentrux/credentials.json",
  "~/elsewhere/../.agentrux/credentials.json",
  "@~/.agentrux/credentials.json",
  "@{}/.agentrux/credentials.json",
  "@@{}/.agentrux/credentials.json",
  " {}/.agentrux/credentials.json ",
  "{}/.agentrux/credentials.json\n",
  "\t~/.agentrux/credentials.json",
  "{}/.agentrux/credentials\u0000.json",
  "../../.agentrux/credentials.json",
  "notes/../../../.agentrux/credentials.json",
  "none/../../../.agentrux/credentials.json",
  "/workspace/../../.agentrux/credentials.json",
  "file://{}/.agentrux/credentials.json",
  "FILE://{}/.agentrux/credentials.json",
  "file://localhost{}/.agentrux/credentials.json",
  "file:{}/.agentrux/credentials.json",
  "file://{}/%2eagentrux/credentials.json",
  "file://{}%2f.agentrux/credentials.json",
  "file://server/share",
  "media:{}/.agentrux/credentials.json",
  "MEDIA:~/.agentrux/credentials.json",
  "a.md</arg_value>",
  "keys/credentials.json",
  "keys",
  "chain/credentials.json",
  "keys/../.agentrux/credentials.json",
  "{}/.openclaw/workspace/deep/../credentials.json",
  "deep/me/credentials.json",
  "dangling",
  "loop",
  "{}/.openclaw/openclaw.json",
  "{}/.openclaw/openclaw.json.bak",
  "{}/.openclaw",
  "{}/.openclaw/credentials/x.json",
  "{}/.openclaw/workspace-2/x.txt",
  "{}/.openclaw/state/openclaw.sqlite",
  "../openclaw.json",
  "{}/.ssh/id_rsa",
  "~/.ssh/id_rsa",
  "~/.aws/credentials",
  "~/.netrc",
  "~/.config/gh/hosts.yml",
  "/proc/self/environ",
  "/proc/1/cmdline",
] as const;

describe("reading", () => {
  it.each(SECRET_PATHS)("refuses %j, in whatever tool and parameter", async (path) => {
    const at = filled(path);
    expect(await why("read", { path: at })).toBeTypeOf("string");
    expect(await why("view_image", { paths: ["a.png", at] })).toBeTypeOf("string");
    expect(await why("another_plugins_tool", { input: { file: at } })).toBeTypeOf("string");
  });

  it.each([
    "notes/a.md",
    "./notes/../AGENTS.md",
    "{}/.openclaw/workspace/notes/a.md",
    "/workspace/notes/a.md",
    "none/yet.txt",
    "@notes/a.md",
    "~/elsewhere/plan.txt",
    "{}/elsewhere/plan.txt",
    "out/plan.txt",
    "{}/.openclaw/skills/maps/SKILL.md",
    "{}/.openclaw/extensions/plugin/skills/flux/SKILL.md",
    "{}/.openclaw/media/inbound/file.png",
    "/etc/hostname",
    "https://example.org/.agentrux/credentials.json",
    "what is in ~/.agentrux?",
    "hello, world",
    "",
  ])("lets %j pass", async (path) => {
    expect(await why("read", { path: filled(path) })).toBeUndefined();
  });

  it("leaves a text of several lines alone, which is no path", async () => {
    expect(await why("tts", { text: filled("Do not look into\n{}/.agentrux") })).toBeUndefined();
  });

  it("does not tell what lies where", async () => {
    const reason = await why("read", { path: filled("{}/.agentrux/credentials.json") });
    expect(reason).toBe("this place is closed to requests that come from a topic");
    expect(await why("read", { path: filled("{}/.agentrux/none") })).toBe(reason);
  });
});

describe("searching", () => {
  it.each(["/", "~", "{}", "{}/.openclaw", "..", "{}/.openclaw/media", "{}/.openclaw/media/inbound"])(
    "refuses to go through %j, in which something closed lies",
    async (path) => {
      for (const tool of ["grep", "find", "ls", "Glob"])
        expect(await why(tool, { path: filled(path) })).toBeTypeOf("string");
    },
  );

  it("goes through the workspace, named or not", async () => {
    for (const params of [{}, { path: "." }, { path: "notes" }, { pattern: "x", path: workspace }]) {
      expect(await why("grep", params)).toBeUndefined();
    }
  });

  it("refuses the workspace itself where somebody has made the home directory the workspace", async () => {
    const wide = { ...places, workspace: home };
    expect(await why("grep", { pattern: "x" }, wide)).toBeTypeOf("string");
    expect(await why("read", { path: ".agentrux/credentials.json" }, wide)).toBeTypeOf("string");
    expect(await why("read", { path: ".openclaw/openclaw.json" }, wide)).toBeTypeOf("string");
    expect(await why("read", { path: "elsewhere/plan.txt" }, wide)).toBeUndefined();
  });
});

const UNWRITABLE = [
  ...SECRET_PATHS,
  "AGENTS.md",
  "agents.md",
  "./notes/../AGENTS.md",
  "@AGENTS.md",
  "AGENTS.md ",
  "SOUL.md",
  "TOOLS.md",
  "IDENTITY.md",
  "USER.md",
  "MEMORY.md",
  "HEARTBEAT.md",
  "BOOTSTRAP.md",
  "{}/.openclaw/workspace/BOOT.md",
  "/workspace/AGENTS.md",
  "notes/AGENTS.md",
  "notes/CLAUDE.md",
  "skills/mine/run.sh",
  "skills/new/SKILL.md",
  "Skills/new/x",
  "know-how/new/run.sh",
  "hooks/mine/handler.ts",
  "notes/persona.md",
  ".git/config",
  ".env",
  "notes/.hidden/x",
  ".",
  "{}/.openclaw/workspace",
  "out/plan.txt",
  "{}/elsewhere/plan.txt",
  "~/.bashrc",
  "/etc/cron.d/x",
  "/tmp/x",
  "../skills/maps/SKILL.md",
  "{}/.openclaw/extensions/plugin/index.js",
  "{}/.openclaw/media/outbound/x.png",
];

describe("writing", () => {
  it.each(UNWRITABLE)("refuses %j, by each tool that writes", async (path) => {
    const at = filled(path);
    expect(await why("write", { path: at, content: "x" })).toBeTypeOf("string");
    expect(await why("edit", { path: at, edits: [{ oldText: "x", newText: "y" }] })).toBeTypeOf("string");
    if (/[\r\n]/.test(at)) return;
    for (const header of ["Add File", "Update File", "Delete File"]) {
      const input = `*** Begin Patch\n*** ${header}: ${at}\n+x\n*** End Patch`;
      expect(await why("apply_patch", { input })).toBeTypeOf("string");
    }
    const moved = `*** Begin Patch\n*** Update File: notes/a.md\n*** Move to: ${at}\n@@\n-x\n+y\n*** End Patch`;
    expect(await why("apply_patch", { input: moved })).toBeTypeOf("string");
  });

  it.each([
    "notes/a.md",
    "new/folder/report.txt",
    "./x.txt",
    "{}/.openclaw/workspace/x.txt",
    "/workspace/x.txt",
    "memory/2026-11-21.md",
  ])("lets %j pass", async (path) => {
    const at = filled(path);
    expect(await why("write", { path: at, content: "~/.agentrux" })).toBeUndefined();
    expect(
      await why("apply_patch", { input: `*** Begin Patch\n*** Add File: ${at}\n+AGENTS.md\n*** End Patch` }),
    ).toBeUndefined();
  });

  it("knows a file URL into the workspace", async () => {
    expect(await why("write", { path: pathToFileURL(join(workspace, "x.txt")).href })).toBeUndefined();
    expect(await why("write", { path: pathToFileURL(join(workspace, "AGENTS.md")).href })).toBeTypeOf("string");
  });
});
