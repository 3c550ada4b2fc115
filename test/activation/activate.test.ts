import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { activate, keepSaving } from "../../src/activation/activate.ts";
import { AgentruxError, isAgentruxError } from "../../src/errors.ts";
import { modeOf, namesIn, temporaryAccount } from "../credentials/support.ts";
import {
  ACTIVATED,
  CODE_A,
  CODE_B,
  dropBootstrap,
  json,
  optionsFor,
  ScriptedService,
  SECRET,
  STAMP,
} from "./support.ts";

const REFUSED = json(422, { error: { code: "INVALID", message: "Token has expired" } });

describe("activate", () => {
  it("logs an activation by path and script id, and nothing secret", async () => {
    const paths = await temporaryAccount();
    await dropBootstrap(paths);
    const options = optionsFor(paths, new ScriptedService(ACTIVATED));
    expect(await activate(options)).toMatchObject({ kind: "ready", outcome: "ok", credentials: { clientId: "scr_1" } });
    expect(options.log.lines).toEqual([`info [agentrux] Activated via ${paths.bootstrap}: script_id=scr_1`]);
    expect(options.log.lines.join("\n")).not.toMatch(new RegExp(`${SECRET}|${CODE_A}`));
    const again = optionsFor(paths, new ScriptedService());
    expect(await activate(again)).toMatchObject({ kind: "ready", outcome: "no-file" });
    expect(again.log.lines).toEqual([]);
  });

  it("logs a refusal and what to do", async () => {
    const paths = await temporaryAccount();
    await dropBootstrap(paths);
    const options = optionsFor(paths, new ScriptedService(REFUSED));
    expect(await activate(options)).toEqual({
      kind: "disabled",
      outcome: "permanent-failure",
      reason: "the activation code was rejected (HTTP 422 INVALID)",
    });
    expect(options.log.lines).toEqual([
      "error [agentrux] BOOTSTRAP.md activation rejected (HTTP 422 INVALID): Token has expired",
      `error [agentrux] Quarantined to ${paths.bootstrap}.failed-${STAMP}. ` +
        `Issue a new activation code and write it to ${paths.bootstrap}.`,
    ]);
  });

  it("logs a malformed file", async () => {
    const paths = await temporaryAccount();
    await dropBootstrap(paths, "hello");
    const options = optionsFor(paths, new ScriptedService());
    expect(await activate(options)).toMatchObject({ kind: "disabled", outcome: "validation-failure" });
    expect(options.log.lines).toEqual([
      "error [agentrux] BOOTSTRAP.md is malformed: no activation code line found in BOOTSTRAP.md. " +
        `Quarantined to ${paths.bootstrap}.failed-${STAMP}.`,
    ]);
  });

  it("goes on with existing credentials and quarantines the file beside them", async () => {
    const paths = await temporaryAccount();
    await dropBootstrap(paths);
    await activate(optionsFor(paths, new ScriptedService(ACTIVATED)));
    await dropBootstrap(paths, CODE_B);
    const options = optionsFor(paths, new ScriptedService());
    expect(await activate(options)).toMatchObject({
      kind: "ready",
      outcome: "creds-already-present",
      credentials: { clientSecret: SECRET },
    });
    expect(options.log.lines).toEqual([
      "warn [agentrux] BOOTSTRAP.md found alongside existing credentials.json — quarantined to " +
        `${paths.bootstrap}.failed-${STAMP} without calling /auth/activate (would burn the single-use code).`,
    ]);
  });

  it("says how to activate where there is nothing, and creates the folder for it", async () => {
    const paths = await temporaryAccount();
    const options = optionsFor(paths, new ScriptedService());
    expect(await activate(options)).toMatchObject({ kind: "disabled", outcome: "no-file" });
    expect(options.log.lines).toEqual([
      "warn [agentrux] No credentials at ~/.agentrux/credentials.json — channel disabled.",
      `warn [agentrux] To activate: write your one-time activation code to ${paths.bootstrap} and restart the gateway.`,
    ]);
    expect(await modeOf(paths.dir)).toBe("700");
  });

  it("reports malformed credentials by field, and names a named account's own file", async () => {
    const paths = await temporaryAccount("work");
    await mkdir(paths.dir, { recursive: true, mode: 0o700 });
    const missing = optionsFor(paths, new ScriptedService());
    await activate(missing);
    expect(missing.log.lines[0]).toBe(`warn [agentrux] No credentials at ${paths.credentials} — channel disabled.`);
    await writeFile(paths.credentials, JSON.stringify({ base_url: "https://x.org", script_id: "scr_1" }), {
      mode: 0o600,
    });
    const options = optionsFor(paths, new ScriptedService());
    expect(await activate(options)).toMatchObject({
      kind: "disabled",
      reason: `malformed credentials: ${paths.credentials}: client_secret is missing or not text`,
    });
    expect(options.log.lines).toHaveLength(1);
  });

  it("logs a passing trouble and passes it on", async () => {
    const paths = await temporaryAccount();
    await dropBootstrap(paths);
    const options = optionsFor(paths, new ScriptedService(json(503, { error: { code: "INTERNAL", message: "down" } })));
    await expect(activate(options)).rejects.toSatisfy((error) => isAgentruxError(error) && error.status === 503);
    expect(options.log.lines).toEqual([
      'error [agentrux] unexpected response from /auth/activate: HTTP 503 {"error":{"code":"INTERNAL","message":"down"}}',
    ]);
  });

  it("reports an orphan with the command that brings it back, or away", async () => {
    const paths = await temporaryAccount();
    await dropBootstrap(paths);
    await rename(paths.bootstrap, paths.inflight);
    const options = optionsFor(paths, new ScriptedService());
    await activate(options);
    expect(options.log.lines.at(-1)).toContain(`mv ${paths.inflight} ${paths.bootstrap}`);
    await dropBootstrap(paths);
    await activate(optionsFor(paths, new ScriptedService(ACTIVATED)));
    await writeFile(paths.inflight, CODE_A);
    const later = optionsFor(paths, new ScriptedService());
    await activate(later);
    expect(later.log.lines).toEqual([expect.stringContaining(`rm ${paths.inflight}`)]);
  });
});

describe("keepSaving", () => {
  const random = () => 0.5;

  it("stores credentials as soon as the disk allows", async () => {
    const paths = await temporaryAccount();
    await dropBootstrap(paths);
    const service = new ScriptedService(async () => {
      await mkdir(paths.credentials);
      return ACTIVATED;
    });
    const options = optionsFor(paths, service);
    const activation = await activate(options);
    if (activation.kind !== "ready" || activation.unsaved === undefined)
      throw new Error("expected unsaved credentials");
    expect(options.log.lines.at(-1)).toMatch(/^error \[agentrux\] The new secret could not be stored/);
    const waits: number[] = [];
    const sleep = async (ms: number) => {
      waits.push(ms);
      if (waits.length === 3) await rm(paths.credentials, { recursive: true });
    };
    await keepSaving(activation.unsaved, { sleep, random, log: options.log, signal: options.signal });
    expect(waits).toEqual([500, 1_000, 2_000]);
    expect(await namesIn(paths.dir)).toEqual(["credentials.json"]);
    expect(options.log.lines.at(-1)).toBe("info [agentrux] The credentials are stored now.");
    expect(options.log.lines.join("\n")).not.toContain(SECRET);
  });

  it("ends with its signal", async () => {
    const stop = new AbortController();
    let tries = 0;
    const unsaved = {
      kind: "unsaved",
      cause: new AgentruxError("disk", "full", { retryable: true }),
      retry: async () => {
        tries++;
        stop.abort();
        throw new AgentruxError("disk", "still full");
      },
    } as const;
    const { log } = optionsFor(await temporaryAccount(), new ScriptedService());
    await keepSaving(unsaved, { sleep: async () => {}, random, log, signal: stop.signal });
    expect(tries).toBe(1);
  });
});
