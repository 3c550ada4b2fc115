/** Which files may leave the machine. */

import { chmodSync, linkSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { execFileSync, fork } from "node:child_process";
import { once } from "node:events";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";
import { openAllowed, type PathRules } from "../../src/guard/path.ts";
import { folder } from "../attachments/support.ts";

const SWAP = fileURLToPath(new URL("./fixtures/swap.ts", import.meta.url));

/** A home with a host's state in it, and ours; the workspace lies inside the state, as it does by default. */
function home() {
  const dir = folder();
  const at = (...parts: string[]): string => join(dir, ...parts);
  const put = (path: string, text: string): string => {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    return path;
  };
  put(at(".agentrux", "credentials.json"), "SECRET");
  put(at(".openclaw", "openclaw.json"), "SECRET");
  put(at(".openclaw", "media", "inbound", "other---1.png"), "SECRET");
  put(at(".openclaw", "media", "outbound", "made.png"), "made");
  put(at(".openclaw", "workspace", "report.txt"), "report");
  put(at(".openclaw", "workspace-2", "x.txt"), "SECRET");
  put(at("other", "id_rsa"), "SECRET");
  const workspace = at(".openclaw", "workspace");
  const rules: PathRules = {
    base: workspace,
    allowed: [workspace, at(".openclaw", "media")],
    closed: [at(".openclaw"), at(".openclaw", "media", "inbound")],
    sealed: [at(".agentrux")],
  };
  return { at, put, workspace, rules };
}

async function read(reference: string, rules: PathRules): Promise<string> {
  const { handle } = await openAllowed(reference, rules);
  try {
    return await handle.readFile("utf8");
  } finally {
    await handle.close();
  }
}

describe("files that may leave", () => {
  it("are those of the workspace and of the media folders", async () => {
    const { at, rules } = home();
    expect(await read(at(".openclaw", "workspace", "report.txt"), rules)).toBe("report");
    expect(await read("report.txt", rules)).toBe("report");
    expect(await read("./a/../report.txt", rules)).toBe("report");
    expect(await read(pathToFileURL(at(".openclaw", "workspace", "report.txt")).href, rules)).toBe("report");
    expect(await read(at(".openclaw", "media", "outbound", "made.png"), rules)).toBe("made");
  });

  it("may be named by a link, as long as it stays inside", async () => {
    const { workspace, rules } = home();
    symlinkSync("report.txt", join(workspace, "latest"));
    const { handle, name, size } = await openAllowed("latest", rules);
    await handle.close();
    expect([name, size]).toEqual(["latest", 6]);
  });

  it("may have any name", async () => {
    const { put, workspace, rules } = home();
    for (const name of ["a b.txt", "日本.txt", "..hidden", "...", "-rf", "a%2fb", "x:y", "~"]) {
      put(join(workspace, name), "fine");
      expect(await read(join(workspace, name), rules)).toBe("fine");
    }
  });
});

describe("files that may not leave", () => {
  it.each([
    ["our credentials", (at: Path) => at(".agentrux", "credentials.json")],
    ["the host's configuration", (at: Path) => at(".openclaw", "openclaw.json")],
    ["what other channels have received", (at: Path) => at(".openclaw", "media", "inbound", "other---1.png")],
    ["a folder that begins like the workspace", (at: Path) => at(".openclaw", "workspace-2", "x.txt")],
    ["a key elsewhere", (at: Path) => at("other", "id_rsa")],
    ["a file of the system", () => "/etc/passwd"],
    ["a way out by dots", () => "../openclaw.json"],
    ["a longer way out by dots", () => "a/b/../../../../other/id_rsa"],
    ["an absolute way out by dots", (at: Path) => `${at(".openclaw", "workspace")}/../openclaw.json`],
    ["a file URL elsewhere", (at: Path) => pathToFileURL(at("other", "id_rsa")).href],
    ["a file URL with dots", (at: Path) => `file://${at(".openclaw", "workspace")}/%2e%2e/openclaw.json`],
    ["a file URL with encoded slashes", (at: Path) => `file://${at(".openclaw", "workspace")}/..%2fopenclaw.json`],
    ["a file URL of another machine", () => "file://server/share/x"],
    ["a web address", () => "http://127.0.0.1/x"],
    ["data", () => "data:text/plain,x"],
    ["the process's memory", () => "/proc/self/environ"],
    ["a descriptor", () => "/dev/fd/0"],
    ["what is not there, elsewhere", (at: Path) => at("other", "none")],
    ["what is not there, in our folder", (at: Path) => at(".agentrux", "none")],
    ["nothing", () => ""],
    ["a blank", () => " "],
    ["a NUL", (at: Path) => `${at(".openclaw", "workspace", "report.txt")}\u0000.png`],
    ["a line break", () => "report\n.txt"],
    ["too much", () => "a".repeat(5_000)],
  ] as const)("%s", async (_what, reference) => {
    const { at, rules } = home();
    await expect(read(reference(at), rules)).rejects.toMatchObject({ code: "path_refused" });
  });

  it.each(["credentials.json", "openclaw.json", "id_rsa", "other---1.png"])("%s, by a link", async (name) => {
    const { at, workspace, rules } = home();
    const targets = {
      "credentials.json": at(".agentrux", "credentials.json"),
      "openclaw.json": at(".openclaw", "openclaw.json"),
      id_rsa: at("other", "id_rsa"),
      "other---1.png": at(".openclaw", "media", "inbound", "other---1.png"),
    };
    symlinkSync(targets[name as keyof typeof targets], join(workspace, "harmless.txt"));
    await expect(read("harmless.txt", rules)).rejects.toMatchObject({ code: "path_refused" });
  });

  it("those behind a link to a folder, or a chain of links", async () => {
    const { at, workspace, rules } = home();
    symlinkSync(at("other"), join(workspace, "folder"));
    symlinkSync("folder/id_rsa", join(workspace, "chain"));
    await expect(read("folder/id_rsa", rules)).rejects.toMatchObject({ code: "path_refused" });
    await expect(read("chain", rules)).rejects.toMatchObject({ code: "path_refused" });
  });

  it("a hard link, whose other name may lie anywhere", async () => {
    const { at, workspace, rules } = home();
    linkSync(at(".agentrux", "credentials.json"), join(workspace, "harmless.txt"));
    await expect(read("harmless.txt", rules)).rejects.toThrow(/hard link/);
  });

  it("our folder, even where an operator has made the home the workspace", async () => {
    const { at, rules } = home();
    const wide = { ...rules, base: at(), allowed: [at(), at(".agentrux")] };
    await expect(read(".agentrux/credentials.json", wide)).rejects.toMatchObject({ code: "path_refused" });
    await expect(read(".openclaw/openclaw.json", wide)).rejects.toMatchObject({ code: "path_refused" });
    expect(await read("other/id_rsa", wide)).toBe("SECRET");
  });

  it("what is no regular file", async () => {
    const { workspace, rules } = home();
    mkdirSync(join(workspace, "folder"));
    execFileSync("mkfifo", [join(workspace, "pipe")]);
    await expect(read("folder", rules)).rejects.toMatchObject({ code: "path_refused" });
    await expect(read("pipe", rules)).rejects.toMatchObject({ code: "path_refused" });
  });

  it("what is not there, or cannot be read, and it says which", async () => {
    const { put, workspace, rules } = home();
    await expect(read("none.txt", rules)).rejects.toMatchObject({ code: "file_unreadable" });
    await expect(read("report.txt/x", rules)).rejects.toThrow(/does not exist/);
    const closed = put(join(workspace, "closed"), "x");
    chmodSync(closed, 0o000);
    if (process.getuid?.() !== 0) await expect(read("closed", rules)).rejects.toThrow(/cannot be read/);
  });

  it("anything at all where no folder is allowed", async () => {
    const { rules } = home();
    await expect(read("report.txt", { ...rules, allowed: [] })).rejects.toMatchObject({ code: "path_refused" });
    await expect(read("report.txt", { ...rules, allowed: ["/none"] })).rejects.toMatchObject({ code: "path_refused" });
  });

  it("what is swapped while it is being opened: never the secret, whatever wins", async () => {
    const { at, workspace, rules } = home();
    const victim = join(workspace, "victim");
    mkdirSync(victim);
    writeFileSync(join(victim, "id_rsa"), "harmless");
    const swapper = fork(SWAP, [victim, join(workspace, "spare"), at("other")], { execArgv: [] });
    const gone = once(swapper, "exit");
    await once(swapper, "message");
    const seen = new Map<string, number>();
    const often = (what: string): boolean => (seen.get(what) ?? 0) > 50;
    // As many rounds as it takes to meet both states often, on a busy machine too.
    for (
      let round = 0;
      round < 5_000 || (round < 200_000 && !(often("harmless") && often("path_refused")));
      round += 1
    ) {
      const what = await read("victim/id_rsa", rules).catch((error: { code: string }) => error.code);
      seen.set(what, (seen.get(what) ?? 0) + 1);
    }
    swapper.kill();
    await gone;
    expect([...seen.keys()].toSorted()).toEqual(["file_unreadable", "harmless", "path_refused"]);
    expect(often("harmless") && often("path_refused")).toBe(true);
    expect(readFileSync(at("other", "id_rsa"), "utf8")).toBe("SECRET");
  });
});

type Path = (...parts: string[]) => string;
