/** The command line's grammar, through the host's own commander: options, help, JSON, exit codes. */

import { createRequire } from "node:module";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { registerCli } from "../../src/host/cli.ts";
import { Place } from "../account/support.ts";
import { activated } from "../cli/support.ts";

interface Program {
  parseAsync(argv: readonly string[], from: { readonly from: "user" }): Promise<unknown>;
  exitOverride(): Program;
  readonly commands: readonly { helpInformation(): string; name(): string }[];
}

const { Command } = createRequire(import.meta.resolve("openclaw"))("commander") as { Command: new () => Program };

let place: Place;

beforeEach(async () => {
  place = await Place.create();
  vi.stubEnv("HOME", `${place.dir}/home`);
});

afterEach(async () => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
  process.exitCode = undefined;
  await place.close();
});

async function openclaw(...args: readonly string[]) {
  const out: string[] = [];
  const err: string[] = [];
  const catching = (into: string[]) => (text: string | Uint8Array) => {
    into.push(String(text));
    return true;
  };
  vi.spyOn(process.stdout, "write").mockImplementation(catching(out));
  vi.spyOn(process.stderr, "write").mockImplementation(catching(err));
  process.exitCode = undefined;
  const program = new Command().exitOverride();
  let registrar: ((context: object) => Promise<void>) | undefined;
  registerCli({ registerCli: (given: typeof registrar) => void (registrar = given) } as never);
  await registrar?.({ program, config: { channels: { agentrux: place.keys } } });
  const thrown: unknown = await program
    .parseAsync(["agentrux", ...args], { from: "user" })
    .catch((error: unknown) => error);
  vi.restoreAllMocks();
  const code = thrown instanceof Error && "exitCode" in thrown ? thrown.exitCode : process.exitCode;
  return { out: out.join(""), err: err.join(""), code };
}

describe("help", () => {
  it("lists every command, with examples and exit codes", async () => {
    const { out } = await openclaw("--help");
    for (const name of [
      "status",
      "doctor",
      "activate",
      "recover",
      "rotate",
      "topics",
      "send",
      "tail",
      "inbox",
      "dead-letters",
      "waterline",
    ]) {
      expect(out).toContain(`\n  ${name}`);
    }
    expect(out).toContain("Examples:");
    expect(out).toContain("Exit codes:");
  });

  it("shows the options of one command, and never one that takes a code or a secret", async () => {
    for (const name of ["activate", "send", "tail"]) {
      const { out } = await openclaw(name, "--help");
      expect(out).toContain("--json");
      expect(out).toContain("--account");
      expect(out).toContain(`openclaw agentrux ${name}`);
      expect(out).not.toMatch(/--(code|secret|token)[ =]/);
    }
  });
});

describe("commands", () => {
  it("print one JSON document, good or bad, and set the exit code", async () => {
    const cases = [
      [["status", "--json"], 1],
      [["doctor", "--offline", "--json"], 1],
      [["topics", "--json"], 1],
      [["recover", "--json"], 0],
      [["rotate", "--yes", "--json"], 1],
      [["rotate", "--json"], 2],
      [["inbox", "--json"], 1],
      [["dead-letters", "show", "x", "--json"], 2],
      [["waterline", "show", "--json"], 1],
      [["send", "hi", "--timeout", "soon", "--json"], 2],
      [["tail", "--topic", "nonsense", "--json"], 2],
      [["activate", "--code-file", "/no/such/file", "--json"], 2],
      [["status", "--account", "../up", "--json"], 1],
    ] as const;
    for (const [args, code] of cases) {
      const result = await openclaw(...args);
      expect([args, result.code, result.err]).toEqual([args, code, ""]);
      expect([args, result.out.trim().split("\n").length]).toEqual([args, 1]);
      expect(JSON.parse(result.out)).toBeTypeOf("object");
    }
  });

  it("print lines for a person, failures on the error stream", async () => {
    expect(await openclaw("topics")).toMatchObject({ out: "", err: expect.stringContaining("not activated"), code: 1 });
    expect((await openclaw("status")).out).toContain("default: not activated");
  });

  it("send and tail, with repeated attachments and JSON lines", async () => {
    await activated(place, "me");
    const sent = await openclaw(
      "send",
      "hello there",
      "--account",
      "me",
      "--attach",
      "package.json",
      "--attach",
      "README.md",
      "--json",
    );
    expect(sent.code).toBe(0);
    await activated(place, "reader", { read: [place.keys.commandTopicId], write: [] });
    const { out } = await openclaw("tail", "--account", "reader", "--no-follow", "--json");
    expect(JSON.parse(out)).toMatchObject({
      payload: {
        message: "hello there",
        attachments: [
          { name: "package.json", content_type: "application/json" },
          { name: "README.md", content_type: "text/markdown" },
        ],
      },
    });
  });

  it("look at every account unless one is named", async () => {
    const accounts = async (...args: string[]) =>
      (JSON.parse((await openclaw("status", "--json", ...args)).out) as { accounts: unknown[] }).accounts.length;
    expect(await accounts()).toBe(1);
    expect(await accounts("--account", "me")).toBe(1);
  });
});
