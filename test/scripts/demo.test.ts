import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DemoError } from "../../scripts/lib/demo-error.ts";
import { StateFolder } from "../../scripts/lib/demo-state.ts";
import { chooseModel } from "../../scripts/lib/model-choice.ts";
import { parseOptions, UsageError } from "../../scripts/lib/options.ts";
import { openClawHome } from "../../scripts/lib/openclaw.ts";
import { freeGatewayPort, freePort, isPortFree } from "../../scripts/lib/ports.ts";
import { startScriptedModel } from "../../scripts/lib/model.ts";

let dir: string;
beforeEach(() => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), "demo-"));
});
afterEach(() => fs.rmSync(dir, { recursive: true, force: true }));

describe("options", () => {
  it("knows its options", () => {
    expect(parseOptions(["--ask", "hi", "--fresh", "--model", "openai/gpt-5.5", "--state", "/x/y"], "/d")).toEqual({
      ask: "hi",
      fresh: true,
      model: "openai/gpt-5.5",
      stateDir: "/x/y",
    });
    expect(parseOptions([], "/d")).toEqual({ ask: undefined, fresh: false, model: undefined, stateDir: "/d" });
    expect(parseOptions(["--ask", "hi", "--help"], "/d")).toBe("help");
  });

  it.each([[["--nope"]], [["positional"]], [["--ask"]], [["--ask", " "]], [["--model", "gpt"]], [["--fresh=1"]]])(
    "refuses %j",
    (argv) => {
      expect(() => parseOptions(argv, "/d")).toThrow(UsageError);
    },
  );
});

describe("the model", () => {
  it("is the scripted one when no key is set, or when asked for", () => {
    expect(chooseModel(undefined, {})).toEqual({ kind: "scripted" });
    expect(chooseModel(undefined, { OPENAI_API_KEY: "" })).toEqual({ kind: "scripted" });
    expect(chooseModel("scripted", { OPENAI_API_KEY: "k" })).toEqual({ kind: "scripted" });
  });

  it("is the one whose key is set", () => {
    expect(chooseModel(undefined, { OPENAI_API_KEY: "k", HOME: "/h" })).toEqual({
      kind: "real",
      ref: "openai/gpt-5.5",
      secrets: { OPENAI_API_KEY: "k" },
      keyVariable: "OPENAI_API_KEY",
    });
  });

  it("is the wanted one, with its own secrets and no others", () => {
    const env = { ANTHROPIC_API_KEY: "a", ANTHROPIC_BASE_URL: "http://b", OPENAI_API_KEY: "o", HOME: "/h" };
    expect(chooseModel("anthropic/some-model", env)).toEqual({
      kind: "real",
      ref: "anthropic/some-model",
      secrets: { ANTHROPIC_API_KEY: "a", ANTHROPIC_BASE_URL: "http://b" },
      keyVariable: "ANTHROPIC_API_KEY",
    });
  });

  it("gets every key when only the host knows which one its provider reads", () => {
    expect(chooseModel("google/some-model", { GEMINI_API_KEY: "g", HOME: "/h" })).toEqual({
      kind: "real",
      ref: "google/some-model",
      secrets: { GEMINI_API_KEY: "g" },
      keyVariable: undefined,
    });
  });

  it("is refused when its key is missing", () => {
    expect(() => chooseModel("openai/gpt-5.5", { ANTHROPIC_API_KEY: "a" })).toThrow(DemoError);
  });
});

describe("the state folder", () => {
  it("keeps a second run out until the first has let go", () => {
    const first = StateFolder.open(dir, { fresh: false });
    expect(() => StateFolder.open(dir, { fresh: true })).toThrow(DemoError);
    first.close();
    StateFolder.open(dir, { fresh: false }).close();
  });

  it("gives back what was saved, and forgets it when fresh", () => {
    const first = StateFolder.open(dir, { fresh: false });
    first.state.hubPort = 1234;
    first.save();
    first.close();
    expect(fs.statSync(path.join(dir, "state.json")).mode & 0o777).toBe(0o600);
    const second = StateFolder.open(dir, { fresh: false });
    expect(second.state).toEqual(first.state);
    second.close();
    const third = StateFolder.open(dir, { fresh: true });
    expect(third.state.hubPort).toBeUndefined();
    expect(third.state.gatewayToken).not.toBe(first.state.gatewayToken);
    third.close();
  });

  it("begins anew when the saved state cannot be read", () => {
    fs.writeFileSync(path.join(dir, "state.json"), "{ half");
    const folder = StateFolder.open(dir, { fresh: false });
    expect(folder.state).toEqual({ version: 1, gatewayToken: folder.state.gatewayToken });
    folder.close();
  });
});

describe("the isolated OpenClaw", () => {
  const added = {
    OPENCLAW_PROFILE: "mine",
    SOME_SERVICE_API_KEY: "secret",
    GITHUB_TOKEN: "secret",
    HARMLESS_SETTING: "kept",
  };
  beforeEach(() => Object.assign(process.env, added));
  afterEach(() => {
    for (const name of Object.keys(added)) Reflect.deleteProperty(process.env, name);
  });

  it("gets the environment without the user's secrets and without marks of a test run", () => {
    const secrets = { OPENAI_API_KEY: "given" };
    const { env } = openClawHome({ stateDir: dir, port: 1, gatewayToken: "t", secrets });
    expect(env).toMatchObject({
      OPENAI_API_KEY: "given",
      HARMLESS_SETTING: "kept",
      HOME: path.join(dir, "home"),
      OPENCLAW_STATE_DIR: dir,
    });
    for (const name of ["OPENCLAW_PROFILE", "SOME_SERVICE_API_KEY", "GITHUB_TOKEN", "VITEST", "NODE_ENV"]) {
      expect(env).not.toHaveProperty(name);
    }
    expect(process.env["VITEST"]).toBe("true");
  });
});

describe("ports", () => {
  it("takes another port when the wanted one is in use", async () => {
    const model = await startScriptedModel();
    try {
      expect(await isPortFree(model.port)).toBe(false);
      expect(await freePort(model.port)).not.toBe(model.port);
      expect(await freeGatewayPort(model.port)).not.toBe(model.port);
    } finally {
      await model.close();
    }
    expect(await freePort(model.port)).toBe(model.port);
  });

  it("keeps gateways at least 120 apart", async () => {
    const ports = await Promise.all(Array.from({ length: 5 }, () => freeGatewayPort()));
    expect(ports.map((port) => (port - 19_200) % 120)).toEqual([0, 0, 0, 0, 0]);
  });
});
