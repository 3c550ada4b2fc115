import { mkdir, readFile, rm, writeFile, link, rename } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import type { RedeemCall } from "../../src/activation/redeem.ts";
import { runRitual } from "../../src/activation/ritual.ts";
import { loadCredentials } from "../../src/credentials/store.ts";
import { AgentruxError } from "../../src/errors.ts";
import { modeOf, namesIn, temporaryAccount } from "../credentials/support.ts";
import {
  ACTIVATED,
  CODE_A,
  CODE_B,
  dropBootstrap,
  json,
  NOW,
  optionsFor,
  ScriptedService,
  SECRET,
  STAMP,
} from "./support.ts";

const NOT_FOUND = json(404, { error: { code: "NOT_FOUND", message: "No such code" } });
const lostAnswer = () => new AgentruxError("network", "the connection broke", { kind: "unknown", retryable: true });
const FAILED = `BOOTSTRAP.md.failed-${STAMP}`;

async function read(path: string): Promise<string> {
  return await readFile(path, "utf8");
}

async function failure(act: () => Promise<unknown>): Promise<AgentruxError> {
  const outcome = await act().then(
    (value) => value,
    (error: unknown) => error,
  );
  if (outcome instanceof AgentruxError) return outcome;
  throw new Error(`expected an AgentruxError, got ${JSON.stringify(outcome)}`);
}

describe("a ritual that succeeds", () => {
  it("sends the trimmed code once, stores the credentials and deletes the file", async () => {
    const paths = await temporaryAccount();
    await dropBootstrap(paths, `# notes\r\n   ${CODE_A}  \r\n`);
    const service = new ScriptedService(ACTIVATED);
    const outcome = await runRitual(optionsFor(paths, service));
    expect(outcome).toMatchObject({
      kind: "ok",
      credentials: { generation: "a", clientId: "scr_1", clientSecret: SECRET, baseUrl: "https://api.example.org" },
      grants: [{ grantId: "g1", topicId: "t1", action: "read" }],
      saved: { kind: "saved" },
    });
    expect(service.calls).toEqual([{ path: "/auth/activate", body: { activation_code: CODE_A } }]);
    expect(await namesIn(paths.dir)).toEqual(["credentials.json"]);
    expect(await modeOf(paths.credentials)).toBe("600");
    expect(await loadCredentials(paths)).toMatchObject({ kind: "ok", credentials: { clientSecret: SECRET } });
    expect(await runRitual(optionsFor(paths, service))).toEqual({ kind: "no-file" });
    expect(service.calls).toHaveLength(1);
  });

  it("redeems an act_ code at generation B's endpoint", async () => {
    const paths = await temporaryAccount();
    await dropBootstrap(paths, CODE_B);
    const service = new ScriptedService(json(200, { client_id: "crd_1", client_secret: "aks_1", script_id: "scr_9" }));
    const outcome = await runRitual(optionsFor(paths, service));
    expect(service.calls).toEqual([{ path: "/auth/redeem-activation-code", body: { code: CODE_B } }]);
    expect(outcome).toMatchObject({
      kind: "ok",
      credentials: { generation: "b", clientId: "crd_1", clientSecret: "aks_1", scriptId: "scr_9" },
    });
    expect(await loadCredentials(paths)).toMatchObject({ kind: "ok", credentials: { generation: "b" } });
  });

  it("does nothing where there is no file", async () => {
    const paths = await temporaryAccount();
    const service = new ScriptedService(ACTIVATED);
    expect(await runRitual(optionsFor(paths, service))).toEqual({ kind: "no-file" });
    expect(service.calls).toEqual([]);
  });

  it("does not take {} for credentials, and keeps what a person had typed", async () => {
    const paths = await temporaryAccount();
    await dropBootstrap(paths);
    await writeFile(paths.credentials, "{}");
    expect(await runRitual(optionsFor(paths, new ScriptedService(ACTIVATED)))).toMatchObject({ kind: "ok" });
    expect(await namesIn(paths.dir)).toEqual(["credentials.json", `credentials.json.malformed-${STAMP}`]);
  });
});

describe("a refusal", () => {
  it("quarantines the file 0600 with the spent code blotted out, and all five fields beside it", async () => {
    const paths = await temporaryAccount();
    await dropBootstrap(paths, `# mine\n${CODE_A}\n`);
    const answer = json(422, { error: { code: "INVALID", message: `Token has expired: ${CODE_A}` } });
    const outcome = await runRitual(optionsFor(paths, new ScriptedService(answer)));
    expect(outcome).toMatchObject({
      kind: "permanent-failure",
      httpStatus: 422,
      errorCode: "INVALID",
      errorMessage: "Token has expired: [redacted]",
      possiblyConsumed: false,
      quarantined: { path: `${paths.bootstrap}.failed-${STAMP}` },
    });
    expect(await namesIn(paths.dir)).toEqual([FAILED, `${FAILED}.json`]);
    expect(await read(`${paths.dir}/${FAILED}`)).toBe("# mine\nac_[redacted]\n");
    expect([await modeOf(`${paths.dir}/${FAILED}`), await modeOf(`${paths.dir}/${FAILED}.json`)]).toEqual([
      "600",
      "600",
    ]);
    expect(JSON.parse(await read(`${paths.dir}/${FAILED}.json`))).toEqual({
      reason: "422 INVALID: Token has expired: [redacted]",
      http_status: 422,
      error_code: "INVALID",
      error_message: "Token has expired: [redacted]",
      failed_at: NOW.toISOString(),
    });
    const again = new ScriptedService(ACTIVATED);
    expect(await runRitual(optionsFor(paths, again))).toEqual({ kind: "no-file" });
    expect(again.calls).toEqual([]);
  });

  it.each([
    ["a bare text", CODE_A, { status: 404, contentType: "text/plain", text: "gone away" }, "UNKNOWN", "gone away"],
    [
      "FastAPI detail",
      CODE_B,
      { status: 409, contentType: "application/json", text: '{"detail":"used"}' },
      "CONFLICT",
      "used",
    ],
    ["an empty body", CODE_B, { status: 404, contentType: undefined, text: "" }, "NOT_FOUND", "HTTP 404"],
    [
      "a FastAPI object",
      CODE_A,
      { status: 403, contentType: "application/json", text: '{"detail":{"code":"SUSPENDED","message":"no"}}' },
      "SUSPENDED",
      "no",
    ],
  ] as const)("is read from %s", async (_name, code, answer, errorCode, errorMessage) => {
    const paths = await temporaryAccount();
    await dropBootstrap(paths, code);
    const service = new ScriptedService({ ...answer, retryAfterMs: undefined });
    expect(await runRitual(optionsFor(paths, service))).toMatchObject({
      kind: "permanent-failure",
      errorCode,
      errorMessage,
    });
  });

  it("leaves the code readable where something else than the service answered: it may still be live", async () => {
    const paths = await temporaryAccount();
    await dropBootstrap(paths, CODE_A);
    const page = {
      status: 404,
      contentType: "text/html",
      text: "<html><title>nginx</title></html>",
      retryAfterMs: undefined,
    };
    expect(await runRitual(optionsFor(paths, new ScriptedService(page)))).toMatchObject({ kind: "permanent-failure" });
    expect(await read(`${paths.dir}/${FAILED}`)).toBe(CODE_A);
    expect(await modeOf(`${paths.dir}/${FAILED}`)).toBe("600");
  });

  it("gives two quarantines of one second different names", async () => {
    const paths = await temporaryAccount();
    for (const name of [FAILED, `${FAILED}-2`, `${FAILED}-3`]) {
      await dropBootstrap(paths);
      expect(await runRitual(optionsFor(paths, new ScriptedService(NOT_FOUND)))).toMatchObject({
        quarantined: { path: `${paths.dir}/${name}` },
      });
      expect(await namesIn(paths.dir)).toContain(`${name}.json`);
    }
  });
});

describe("a file without a usable code", () => {
  it.each([
    ["empty", "", "no activation code line found in BOOTSTRAP.md", "no activation code line found"],
    ["notes only", "# later\n", "no activation code line found in BOOTSTRAP.md", "no activation code line found"],
    [
      "a malformed line",
      "ac_1234567890\n",
      "activation code must look like 'ac_<43 chars>' (got 13 chars)",
      "activation code must look like 'ac_<43 chars>' (got 13 chars)",
    ],
  ])("is quarantined as it is, without a call: %s", async (_name, text, reason, sidecar) => {
    const paths = await temporaryAccount();
    await dropBootstrap(paths, text);
    const service = new ScriptedService(ACTIVATED);
    expect(await runRitual(optionsFor(paths, service))).toMatchObject({ kind: "validation-failure", reason });
    expect(service.calls).toEqual([]);
    expect(await read(`${paths.dir}/${FAILED}`)).toBe(text);
    expect(await modeOf(`${paths.dir}/${FAILED}`)).toBe("600");
    expect(JSON.parse(await read(`${paths.dir}/${FAILED}.json`))).toEqual({
      reason: sidecar,
      http_status: null,
      error_code: null,
      error_message: null,
      failed_at: NOW.toISOString(),
    });
  });

  it("covers a folder and a giant in its place", async () => {
    const paths = await temporaryAccount();
    await mkdir(paths.bootstrap, { recursive: true });
    expect(await runRitual(optionsFor(paths, new ScriptedService()))).toMatchObject({
      kind: "validation-failure",
      reason: "BOOTSTRAP.md is not a regular file",
    });
    await writeFile(paths.bootstrap, `${CODE_A}\n${"x".repeat(70_000)}`);
    expect(await runRitual(optionsFor(paths, new ScriptedService()))).toMatchObject({
      kind: "validation-failure",
      reason: "BOOTSTRAP.md is larger than 64 KiB",
    });
    expect(await namesIn(paths.dir)).toEqual([FAILED, `${FAILED}-2`, `${FAILED}-2.json`, `${FAILED}.json`]);
  });
});

describe("credentials next to the file", () => {
  it("are kept, nothing is called, and the file is quarantined with its live code, 0600", async () => {
    const paths = await temporaryAccount();
    await dropBootstrap(paths);
    await runRitual(optionsFor(paths, new ScriptedService(ACTIVATED)));
    const before = await read(paths.credentials);
    await dropBootstrap(paths, CODE_B);
    const service = new ScriptedService(ACTIVATED);
    expect(await runRitual(optionsFor(paths, service))).toMatchObject({
      kind: "creds-already-present",
      credentials: { clientSecret: SECRET },
    });
    expect(service.calls).toEqual([]);
    expect(await read(paths.credentials)).toBe(before);
    expect(await read(`${paths.dir}/${FAILED}`)).toBe(CODE_B);
    expect(await modeOf(`${paths.dir}/${FAILED}`)).toBe("600");
    expect(JSON.parse(await read(`${paths.dir}/${FAILED}.json`))).toMatchObject({
      reason: "credentials.json already exists; refusing to consume",
      http_status: null,
    });
  });
});

describe("a passing trouble", () => {
  const html = { status: 403, contentType: "text/html", text: "<html>awselb</html>", retryAfterMs: undefined };
  it.each([
    ["503", json(503, {}), 503],
    ["408", json(408, {}), 408],
    ["425", json(425, {}), 425],
    ["a gateway's 403 page", html, 403],
    ["a gateway's 403 JSON", json(403, { message: "Forbidden" }), 403],
    ["a redirect", json(302, {}), 302],
    ["200 without script_id", json(200, { client_secret: SECRET }), 200],
    ["200 without JSON", { status: 200, contentType: "text/html", text: SECRET, retryAfterMs: undefined }, 200],
  ])("puts the file back and says the status: %s", async (_name, answer, status) => {
    const paths = await temporaryAccount();
    await dropBootstrap(paths, `# mine\n${CODE_A}\n`);
    const service = new ScriptedService(answer, ACTIVATED);
    const error = await failure(() => runRitual(optionsFor(paths, service)));
    expect(error).toMatchObject({ retryable: true, status });
    expect(error.message).toMatch(new RegExp(`^unexpected response from /auth/activate: HTTP ${status}`));
    expect(error.message).not.toMatch(new RegExp(`${SECRET}|${CODE_A}`));
    expect(await read(paths.bootstrap)).toBe(`# mine\n${CODE_A}\n`);
    expect(await modeOf(paths.bootstrap)).toBe("600");
    expect(await namesIn(paths.dir)).not.toContain("BOOTSTRAP.md.inflight");
    expect((await loadCredentials(paths)).kind).toBe("missing");
    expect(await runRitual(optionsFor(paths, service))).toMatchObject({ kind: "ok" });
    expect(await namesIn(paths.dir)).toEqual(["credentials.json"]);
    expect(service.calls).toHaveLength(2);
  });

  it("carries Retry-After", async () => {
    const paths = await temporaryAccount();
    await dropBootstrap(paths);
    const service = new ScriptedService(json(429, { error: { code: "RATE_LIMITED", message: "slow" } }, 5_000));
    const error = await failure(() => runRitual(optionsFor(paths, service)));
    expect(error).toMatchObject({
      code: "rate_limited",
      status: 429,
      retryAfterMs: 5_000,
      serviceCode: "RATE_LIMITED",
    });
    expect(await namesIn(paths.dir)).toEqual(["BOOTSTRAP.md"]);
  });

  it("covers the network, without a status", async () => {
    const paths = await temporaryAccount();
    await dropBootstrap(paths);
    const error = await failure(() => runRitual(optionsFor(paths, new ScriptedService(lostAnswer()))));
    expect(error).toMatchObject({ code: "network", kind: "unknown", retryable: true, status: undefined });
    expect(error.message).toBe("network error during /auth/activate: the connection broke");
    expect(error.cause).toBeInstanceOf(AgentruxError);
    expect(await read(paths.bootstrap)).toContain(CODE_A);
  });

  it("lets a newer file win that was written during the call", async () => {
    const paths = await temporaryAccount();
    await dropBootstrap(paths);
    const service = new ScriptedService(async () => {
      await writeFile(paths.bootstrap, CODE_B);
      return json(503, {});
    });
    await failure(() => runRitual(optionsFor(paths, service)));
    expect(await read(paths.bootstrap)).toBe(CODE_B);
    expect(await namesIn(paths.dir)).toEqual(["BOOTSTRAP.md", "BOOTSTRAP.md.attempt.json"]);
  });

  it("restores its own code even if another gateway has claimed a newer file meanwhile", async () => {
    const paths = await temporaryAccount();
    await dropBootstrap(paths);
    const service = new ScriptedService(async () => {
      // As the vendor's plugin claims: straight over our in-flight file.
      await writeFile(`${paths.dir}/newer`, CODE_B);
      await rename(`${paths.dir}/newer`, paths.inflight);
      return json(503, {});
    });
    await failure(() => runRitual(optionsFor(paths, service)));
    expect(await read(paths.bootstrap)).toContain(CODE_A);
    expect(await read(paths.inflight)).toBe(CODE_B);
  });
});

describe("a success", () => {
  it("leaves alone the newer file that another gateway has claimed meanwhile", async () => {
    const paths = await temporaryAccount();
    await dropBootstrap(paths);
    const service = new ScriptedService(async () => {
      await writeFile(`${paths.dir}/newer`, CODE_B);
      await rename(`${paths.dir}/newer`, paths.inflight);
      return ACTIVATED;
    });
    expect(await runRitual(optionsFor(paths, service))).toMatchObject({ kind: "ok" });
    expect(await read(paths.inflight)).toBe(CODE_B);
  });
});

describe("a lost answer", () => {
  it("is remembered: a later refusal says that the code was possibly already consumed", async () => {
    const paths = await temporaryAccount();
    await dropBootstrap(paths);
    const service = new ScriptedService(lostAnswer(), json(429, {}), NOT_FOUND);
    await failure(() => runRitual(optionsFor(paths, service)));
    await failure(() => runRitual(optionsFor(paths, service)));
    expect(await runRitual(optionsFor(paths, service))).toMatchObject({
      kind: "permanent-failure",
      possiblyConsumed: true,
    });
    const sidecar = JSON.parse(await read(`${paths.dir}/${FAILED}.json`)) as Record<string, unknown>;
    expect(sidecar["reason"]).toBe(
      "404 NOT_FOUND: No such code (possibly already consumed: an earlier attempt was not answered)",
    );
    expect(Object.keys(sidecar)).toEqual(["reason", "http_status", "error_code", "error_message", "failed_at"]);
    expect(await namesIn(paths.dir)).toEqual([FAILED, `${FAILED}.json`]);
  });

  it("does not taint another code, nor is anything remembered of calls that surely did nothing", async () => {
    const paths = await temporaryAccount();
    await dropBootstrap(paths);
    await failure(() => runRitual(optionsFor(paths, new ScriptedService(lostAnswer()))));
    const marker = await read(`${paths.bootstrap}.attempt.json`);
    expect(marker).not.toContain(CODE_A);
    await dropBootstrap(paths, CODE_B);
    const never = new AgentruxError("network", "no connection", { kind: "local", retryable: true });
    await failure(() => runRitual(optionsFor(paths, new ScriptedService(never))));
    expect(await namesIn(paths.dir)).toEqual(["BOOTSTRAP.md"]);
    expect(await runRitual(optionsFor(paths, new ScriptedService(NOT_FOUND)))).toMatchObject({
      possiblyConsumed: false,
    });
  });
});

describe("a credentials file that cannot be written", () => {
  it("is found out before the code is spent", async () => {
    const paths = await temporaryAccount();
    await dropBootstrap(paths);
    await mkdir(paths.credentials);
    const service = new ScriptedService(ACTIVATED);
    expect(await failure(() => runRitual(optionsFor(paths, service)))).toMatchObject({ code: "disk", retryable: true });
    expect(service.calls).toEqual([]);
    expect(await read(paths.bootstrap)).toContain(CODE_A);
    await rm(paths.credentials, { recursive: true });
    expect(await runRitual(optionsFor(paths, service))).toMatchObject({ kind: "ok" });
  });

  it("does not lose the secret if it happens after all", async () => {
    const paths = await temporaryAccount();
    await dropBootstrap(paths);
    const service = new ScriptedService(async () => {
      await mkdir(paths.credentials);
      return ACTIVATED;
    });
    const outcome = await runRitual(optionsFor(paths, service));
    expect(outcome).toMatchObject({ kind: "ok", credentials: { clientSecret: SECRET }, saved: { kind: "unsaved" } });
    expect(await namesIn(paths.dir)).toEqual(["credentials.json", `credentials.json.recovered-${STAMP}`]);
    await rm(paths.credentials, { recursive: true });
    if (outcome.kind === "ok" && outcome.saved.kind === "unsaved") await outcome.saved.retry();
    expect(await namesIn(paths.dir)).toEqual(["credentials.json"]);
    expect(await loadCredentials(paths)).toMatchObject({ kind: "ok", credentials: { clientSecret: SECRET } });
  });
});

describe("an orphan", () => {
  it("alone is left in place and not taken up", async () => {
    const paths = await temporaryAccount();
    await dropBootstrap(paths);
    await rename(paths.bootstrap, paths.inflight);
    const service = new ScriptedService(ACTIVATED);
    expect(await runRitual(optionsFor(paths, service))).toEqual({ kind: "no-file" });
    expect(service.calls).toEqual([]);
    expect(await namesIn(paths.dir)).toEqual(["BOOTSTRAP.md.inflight"]);
  });

  it("is overwritten by the claim on a newer file, and that is told", async () => {
    const paths = await temporaryAccount();
    await dropBootstrap(paths, CODE_B);
    await rename(paths.bootstrap, paths.inflight);
    await dropBootstrap(paths, CODE_A);
    const service = new ScriptedService(ACTIVATED);
    expect(await runRitual(optionsFor(paths, service))).toMatchObject({ kind: "ok", replacedOrphan: true });
    expect(service.calls).toEqual([{ path: "/auth/activate", body: { activation_code: CODE_A } }]);
    expect(await namesIn(paths.dir)).toEqual(["credentials.json"]);
  });

  it("that is a second name of the file itself leaves nothing behind", async () => {
    // A restore that died between its link and its unlink.
    const paths = await temporaryAccount();
    await dropBootstrap(paths);
    await link(paths.bootstrap, paths.inflight);
    expect(await runRitual(optionsFor(paths, new ScriptedService(ACTIVATED)))).toMatchObject({ kind: "ok" });
    expect(await namesIn(paths.dir)).toEqual(["credentials.json"]);
  });
});

describe("two rituals at once", () => {
  it("make one call; the other sees no file and makes none", async () => {
    const paths = await temporaryAccount();
    await dropBootstrap(paths);
    const service = new ScriptedService(NOT_FOUND);
    const outcomes = await Promise.all([runRitual(optionsFor(paths, service)), runRitual(optionsFor(paths, service))]);
    expect(outcomes.map((outcome) => outcome.kind).toSorted()).toEqual(["no-file", "permanent-failure"]);
    expect(service.calls).toHaveLength(1);
    expect(await namesIn(paths.dir)).toEqual([FAILED, `${FAILED}.json`]);
  });
});

describe("a stop during the call", () => {
  it("does not cut off the answer that may carry the secret", async () => {
    const paths = await temporaryAccount();
    await dropBootstrap(paths);
    const stop = new AbortController();
    const options = optionsFor(paths, new ScriptedService(), stop.signal);
    const redeem: RedeemCall = async (_path, _body, signal) => {
      stop.abort();
      if (signal.aborted) throw new AgentruxError("aborted", "cut off", { kind: "unknown" });
      return ACTIVATED;
    };
    expect(await runRitual({ ...options, redeem })).toMatchObject({ kind: "ok" });
  });

  it("sends nothing when it came before the call", async () => {
    const paths = await temporaryAccount();
    await dropBootstrap(paths);
    const options = optionsFor(paths, new ScriptedService(), AbortSignal.abort());
    const redeem: RedeemCall = async (_path, _body, signal) => {
      if (signal.aborted) throw new AgentruxError("aborted", "not sent");
      return ACTIVATED;
    };
    expect(await failure(() => runRitual({ ...options, redeem }))).toMatchObject({ code: "aborted" });
    expect(await namesIn(paths.dir)).toEqual(["BOOTSTRAP.md"]);
  });
});
