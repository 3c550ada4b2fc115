/** The faults of the published script (flux-wire, S1 to S15), which this one must not have; and what it says when things go wrong. */

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import path from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { still, until } from "../flux/support/watching.ts";
import { type Asked, Flux, jsonPrograms, Recorder } from "./support.ts";

vi.setConfig({ testTimeout: 180_000 });

const OK = '{"eventId":"1","stream":"s","failed":0}';
const TOKEN = 'tok-en\\with"odd$(id)characters';

let server: Recorder;

beforeAll(async () => {
  server = await Recorder.start();
});

beforeEach(() => answerWith(200, OK));

afterAll(() => server.close());

function answerWith(status: number, body: string, headers: Record<string, string> = {}): void {
  server.answer = (_asked, response) => void response.writeHead(status, headers).end(body);
}

describe.each(jsonPrograms)("with %s", (program) => {
  const flux = (env: Record<string, string> = {}) => new Flux([program], { FLUX_URL: server.url, ...env });
  const asked = (...args: string[]) => server.during(() => flux().run(...args));
  const body = async (...args: string[]) => JSON.parse((await asked(...args))[0]?.body ?? "null") as unknown;

  it("S1: quotes in a name stay in the name", async () => {
    const event = await body("publish", "sensors", 'Bob "the" bot\n\\', 'ns/"a"', '{"t":1}');
    expect(event).toMatchObject({
      source: 'Bob "the" bot\n\\',
      payload: { entity_id: 'ns/"a"', properties: { t: 1 } },
    });
  });

  it.each([
    ["S2: a second entity id", '{"t":1}, "entity_id":"ns/victim"'],
    ["S3: fields of the envelope", '{"t":1}}, "key":"k", "z":{"q":1'],
    ["two values", "{} {}"],
    ["a list", "[1]"],
    ["null", "null"],
    ["NaN", '{"t":NaN}'],
    ["half an object", '{"t":'],
    ["S7: a file's name", "@/etc/passwd"],
    ["nothing", ""],
  ])("sends no properties that are none: %s", async (_name, properties) => {
    const { run } = flux();
    const seen = await server.during(async () => {
      const ran = await run("publish", "s", "me", "ns/a", properties);
      expect(ran).toMatchObject({ code: 2, stdout: "", stderr: expect.stringContaining("PROPERTIES_JSON") });
    });
    expect(seen).toEqual([]);
  });

  it.each([
    ["batch", "{}"],
    ["batch", "[]"],
    ["batch", "[1]"],
    ["batch", '[{"stream":"s"}'],
    ["batch-delete", "@/etc/passwd"],
    ["batch-delete", '{"prefix":""}'],
    ["batch-delete", '{"namespace":"a","prefix":"b"}'],
    ["batch-delete", '{"entity_ids":[]}'],
    ["batch-delete", '{"entity_ids":["a",""]}'],
    ["batch-delete", '{"entity_ids":"ab"}'],
    ["batch-delete", '{"prefix":"a","dry_run":true}'],
    ["batch-delete", '{"all":true}'],
    ["admin-config", "@/etc/passwd"],
    ["admin-config", "null"],
  ])("refuses %s %s before anything is sent", async (...args) => {
    const seen = await server.during(async () => {
      expect(await flux({ FLUX_ADMIN_TOKEN: "admin" }).run(...args)).toMatchObject({ code: 2, stdout: "" });
    });
    expect(seen).toEqual([]);
  });

  it("keeps the event a batch names, adds the time where it is missing", async () => {
    const events = [{ stream: "s", timestamp: 7, eventId: "mine" }, { stream: "t" }];
    expect(await body("batch", JSON.stringify(events))).toMatchObject({
      events: [events[0], { stream: "t", timestamp: expect.any(Number) }],
    });
  });

  it("S10: says the time in milliseconds", async () => {
    const times = await Promise.all(
      [1, 2, 3, 4].map(async () => (await body("publish", "s", "me", "ns/a", "{}")) as { timestamp: number }),
    );
    expect(times.every(({ timestamp }) => Math.abs(timestamp - Date.now()) < 60_000)).toBe(true);
    expect(times.some(({ timestamp }) => timestamp % 1000 !== 0)).toBe(true);
  });

  it("never rounds a whole number on its way", async () => {
    const ran = await server.during(async () => {
      const done = await flux().run("publish", "s", "me", "ns/a", '{"n":9007199254740993}');
      if (done.code !== 0) expect(done).toMatchObject({ code: 2, stderr: expect.stringContaining("2^53") });
    });
    for (const { body: sent } of ran) expect(sent).toContain("9007199254740993");
    answerWith(200, '{"id":"ns/a","properties":{"n":9007199254740993}}');
    expect((await flux().run("get", "ns/a")).stdout).toContain("9007199254740993");
  });

  it("S15: a batch of which a part failed is no success", async () => {
    answerWith(200, '{"successful":1,"failed":2,"results":[]}');
    const ran = await flux().run("batch", '[{"stream":"s"}]');
    expect(ran).toMatchObject({ code: 4, json: { failed: 2 }, stderr: expect.stringContaining("2 of the events") });
    answerWith(200, '{"deleted":1,"failed":2,"errors":["ns/a: no","ns/b: no"]}');
    const deleted = await flux().run("batch-delete", '{"prefix":"ns/"}');
    expect(deleted).toMatchObject({
      code: 4,
      json: { deleted: 1 },
      stderr: expect.stringContaining("2 of the deletions"),
    });
  });

  it.each([
    ["S8: 403", 403, '{"error":"no\\u001b[31m\\nway"}', 1, "HTTP 403: no[31m way\n"],
    ["S8: an empty 404", 404, "", 1, "HTTP 404"],
    ["a text", 400, "Failed to buffer", 1, "HTTP 400"],
    ["500", 500, '{"error":"down"}', 3, "HTTP 500: down\n"],
    ["HTML with 200", 200, "<html>", 3, "not the JSON"],
    ["nothing with 200", 200, "", 3, "not the JSON"],
    ["a list in place of an object", 200, "[]", 3, "not the JSON"],
  ])("says on stderr what went wrong: %s", async (_name, status, text, code, message) => {
    answerWith(status, text);
    const ran = await flux().run("get", "ns/a");
    expect(ran).toMatchObject({ code, stdout: "", stderr: expect.stringContaining(message) });
  });

  it("S9: health believes only a Flux server", async () => {
    for (const [status, text] of [
      [500, '{"error":"down"}'],
      [401, "{}"],
      [200, "<html>"],
      [200, "{}"],
    ] as const) {
      answerWith(status, text);
      expect(await flux().run("health")).toMatchObject({ code: expect.toSatisfy((c) => c !== 0), stdout: "" });
    }
    answerWith(200, "[]");
    expect((await flux().run("health")).code).toBe(0);
    expect(server.asked.at(-1)?.url).toMatch(/^\/api\/state\/entities\?prefix=.+&limit=1$/);
  });
});

describe("whatever the JSON program", () => {
  const programs = jsonPrograms.slice(-1);
  const flux = (env: Record<string, string> = {}) => new Flux(programs, { FLUX_URL: server.url, ...env });
  const urls = async (...args: string[]) => (await server.during(() => flux().run(...args))).map(({ url }) => url);

  it("S4: encodes queries", async () => {
    answerWith(200, "[]");
    const query = async (prefix: string) => (await urls("list", "--prefix", prefix))[0]?.split("?")[1];
    expect(await query("ns/a&namespace=other")).toBe("prefix=ns%2Fa%26namespace%3Dother");
    expect(await query("a+b c#é")).toBe("prefix=a%2Bb%20c%23%C3%A9");
  });

  it("S5, S6: encodes ids, and asks once", async () => {
    const ids = ["ns/a#b", "ns/a?b", "50%25", "ns/{a,b}", "ns/[1-3]", "../../x", "ns/ä"];
    for (const id of ids) expect(await urls("delete", id)).toEqual([`/api/state/entities/${encodeURIComponent(id)}`]);
    for (const id of [".", "..", ""]) {
      expect(await urls("delete", id)).toEqual([]);
    }
  });

  it.each([
    ["list", "--prefx", "scada/"],
    ["list", "--prefix"],
    ["list", "--prefix", ""],
    ["list", "scada/"],
    ["list", "--limit", "many"],
    ["get", "-n"],
    ["get", "a", "b"],
    ["get"],
    ["delete", "a", "b"],
    ["delete"],
    ["publish", "s", "me", "ns/a"],
    ["publish", "", "me", "ns/a", "{}"],
    ["watch"],
    ["watch", "a", "--prefix", "b"],
    ["watch", "a", "--interval", "0"],
    ["namespace"],
    ["namespace", "get", "../x"],
    ["namespace", "delete", "lab"],
    ["connector-token"],
    ["connector-token", "github"],
    ["nonsense"],
    [],
  ])("S12: refuses %s %s %s", async (...args: string[]) => {
    const seen = await server.during(async () => {
      const ran = await flux().run(...args);
      expect(ran).toMatchObject({ code: 2, stdout: "" });
      expect(ran.stderr).not.toBe("");
    });
    expect(seen).toEqual([]);
  });

  it("S13: no token in any process list, environment of a child, message or file", async () => {
    const arrived = Promise.withResolvers<ServerResponse>();
    server.answer = (_asked, response) => arrived.resolve(response);
    const script = flux({ FLUX_TOKEN: TOKEN, FLUX_ADMIN_TOKEN: "adm-in-token" });
    let pid = 0;
    const running = script.runWith({ onStart: (started) => (pid = started) }, "publish", "s", "me", "ns/a", "{}");
    const response = await arrived.promise;
    const children = descendants(pid);
    const curl = children.filter((child) => readFileSync(`/proc/${child}/cmdline`, "utf8").includes("curl"));
    expect(curl.length).toBeGreaterThan(0);
    for (const child of [pid, ...children]) {
      expect(readFileSync(`/proc/${child}/cmdline`, "utf8")).not.toMatch(/tok-en|adm-in/);
    }
    for (const child of curl) expect(readFileSync(`/proc/${child}/environ`, "utf8")).not.toMatch(/tok-en|adm-in/);
    const [work = ""] = readdirSync(path.join(script.dir, "tmp"));
    for (const file of readdirSync(path.join(script.dir, "tmp", work))) {
      expect(readFileSync(path.join(script.dir, "tmp", work, file), "utf8")).not.toMatch(/tok-en|adm-in/);
    }
    response.writeHead(403).end('{"error":"no"}');
    const ran = await running;
    expect(ran.stdout + ran.stderr).not.toMatch(/tok-en|adm-in/);
    expect(server.asked.at(-1)?.headers.authorization).toBe(`Bearer ${TOKEN}`);
    expect(readdirSync(path.join(script.dir, "tmp"))).toEqual([]);
  });

  it("S14: sends the operator's token to the operator's functions, and there only", async () => {
    const script = flux({ FLUX_TOKEN: "mine", FLUX_ADMIN_TOKEN: "admin" });
    const authorization = async (...args: string[]) =>
      (await server.during(() => script.run(...args)))[0]?.headers.authorization;
    expect(await authorization("admin-config")).toBe("Bearer admin");
    expect(await authorization("namespace", "create", "lab")).toBe("Bearer admin");
    expect(await authorization("get", "ns/a")).toBe("Bearer mine");
    const [request] = await server.during(() => flux({ FLUX_TOKEN: "mine" }).run("admin-config"));
    expect(request?.headers.authorization).toBeUndefined();
    expect(await flux({ FLUX_TOKEN: "mine" }).run("admin-config", "{}")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("FLUX_ADMIN_TOKEN"),
    });
  });

  it("S14: gives up on a server that does not answer, and says that a write may have happened", async () => {
    server.answer = () => undefined;
    const [read, write] = await Promise.all([
      flux({ FLUX_TIMEOUT: "1" }).run("get", "ns/a"),
      flux({ FLUX_TIMEOUT: "1" }).run("publish", "s", "me", "ns/a", "{}"),
    ]);
    expect(read).toMatchObject({ code: 3, stdout: "", stderr: expect.stringContaining("cannot reach") });
    expect(write).toMatchObject({ code: 3, stdout: "", stderr: expect.stringContaining("may or may not") });
    const nobody = await flux({ FLUX_URL: "http://127.0.0.1:1" }).run("publish", "s", "me", "ns/a", "{}");
    expect(nobody).toMatchObject({ code: 3, stdout: "", stderr: expect.not.stringContaining("may or may not") });
  });

  it("S14: waits as told and tries again what was certainly not done, nothing else", async () => {
    const times = async (status: number, retryAfter: string, ...args: string[]) => {
      answerWith(status, '{"error":"later"}', { "retry-after": retryAfter });
      return (await server.during(() => flux({ FLUX_RETRIES: "1" }).run(...args))).length;
    };
    const publish = ["publish", "s", "me", "ns/a", "{}"];
    expect(await times(429, "0", ...publish)).toBe(2);
    expect(await times(503, "0", ...publish)).toBe(2);
    expect(await times(500, "0", ...publish)).toBe(1);
    expect(await times(500, "0", "get", "ns/a")).toBe(2);
    expect(await times(404, "0", "get", "ns/a")).toBe(1);
    expect(await times(429, "60", ...publish)).toBe(1);
    expect((await flux().run(...publish)).stderr).toContain("try again in 60 s");
  });

  it("goes nowhere by itself: no default server, no redirect, no token over plain http to another machine", async () => {
    expect(await flux({ FLUX_URL: "" }).run("health")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("FLUX_URL"),
    });
    server.answer = (_asked: Asked, response) => void response.writeHead(307, { location: "/elsewhere" }).end();
    expect(await urls("get", "ns/a")).toEqual(["/api/state/entities/ns%2Fa"]);
    const plain = await flux({ FLUX_URL: "http://flux.example", FLUX_TOKEN: "t" }).run("health");
    expect(plain).toMatchObject({ code: 2, stderr: expect.stringContaining("https") });
    for (const url of [
      "ftp://x",
      "http://me:pw@127.0.0.1",
      "http://127.0.0.1/?a=b",
      'http://127.0.0.1/"\nurl = "x',
      "x",
    ]) {
      expect(await flux({ FLUX_URL: url }).run("health")).toMatchObject({ code: 2, stdout: "" });
    }
    expect(await flux({ FLUX_TOKEN: "two\nlines" }).run("health")).toMatchObject({ code: 2, stdout: "" });
  });

  it("looks once for all hints that came during a look", async () => {
    let x = 1;
    let looks = 0;
    const look = (response: ServerResponse) =>
      void response.end(JSON.stringify([{ id: "ns/a", properties: { x }, lastUpdated: "t" }]));
    const held = Promise.withResolvers<ServerResponse>();
    server.answer = (_asked, response) => {
      if (server.isHeard) looks += 1;
      if (looks === 1) held.resolve(response);
      else look(response);
    };
    const script = new Flux([...programs, "node"], { FLUX_URL: server.url });
    const watching = script.run("watch", "--prefix", "ns/", "--seconds", "0", "--interval", "600", "--count", "1");
    const slow = await held.promise;
    for (let n = 0; n < 20; n += 1) {
      server.hint();
      await still(60);
    }
    look(slow);
    await until("another look", () => looks > 1);
    await still(1_500);
    expect(looks).toBeLessThan(4);
    x = 2;
    server.hint();
    expect((await watching).json).toMatchObject({ type: "changed", before: { x: 1 }, after: { x: 2 } });
  });

  it("asks the hub the plugin is configured for, each account its own", async () => {
    answerWith(200, "[]");
    const script = flux({ FLUX_URL: "" });
    const work = path.join(script.dir, ".agentrux", "accounts", "work");
    mkdirSync(work, { recursive: true });
    writeFileSync(path.join(script.dir, ".agentrux", "flux-url"), `${server.url}/\n`);
    writeFileSync(path.join(work, "flux-url"), "http://127.0.0.1:1\n");
    expect((await script.run("health")).json).toEqual({ ok: true, url: server.url });
    expect(await script.runWith({ env: { FLUX_ACCOUNT: "work" } }, "health")).toMatchObject({ code: 3 });
    expect(await script.runWith({ env: { FLUX_ACCOUNT: "../x" } }, "health")).toMatchObject({ code: 2 });
  });

  it("says which program is missing", async () => {
    const env = { FLUX_URL: server.url };
    expect(await new Flux([], env).run("health")).toMatchObject({
      code: 2,
      stdout: "",
      stderr: expect.stringMatching(/jq nor python3/),
    });
    expect(await new Flux(programs, env, ["curl"]).run("health")).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/curl is not there/),
    });
  });

  it("tells its usage on stdout when asked for it", async () => {
    expect(await flux().run("--help")).toMatchObject({ code: 0, stderr: "", stdout: expect.stringContaining("watch") });
  });
});

/** All children of a process, and theirs. */
function descendants(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").filter(Boolean);
  return children.map(Number).flatMap((child) => [child, ...descendants(child)]);
}
