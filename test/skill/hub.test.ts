/** The skill's script against a real hub: every verb, with each JSON program, without and with tokens. */

import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type RunningHub, startHub } from "../../hub/src/server.ts";
import { Flux, jsonPrograms } from "./support.ts";

vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

let dir: string;
let open: RunningHub;
let closed: RunningHub;

beforeAll(async () => {
  dir = mkdtempSync(path.join(tmpdir(), "flux-skill-hub-"));
  open = await startHub({ dataDir: path.join(dir, "open"), port: 0, logLevel: "silent" });
  closed = await startHub({ dataDir: path.join(dir, "closed"), port: 0, logLevel: "silent", flux: { auth: true } });
});

afterAll(async () => {
  await open.close();
  await closed.close();
  rmSync(dir, { recursive: true, force: true });
});

const HOSTILE_IDS = [
  `a "quoted" id`,
  "two\nlines\tand a tab",
  "$(touch pwned)`touch pwned`",
  "../../admin/config",
  "a?b=c&d#e",
  "50%25 a+b",
  "{a,b}[1-3]",
  "日本語 🦊 é",
  "-rf",
  String.raw`back\slash'quote`,
  "x".repeat(1500),
];

it("has a JSON program to test with", () => expect(jsonPrograms).not.toEqual([]));

describe.each(jsonPrograms)("with %s", (program) => {
  const flux = (env: Record<string, string> = {}) => new Flux([program], { FLUX_URL: open.url, ...env });

  it("publishes, reads, lists, tells the past, deletes", async () => {
    const { run, runWith } = flux();
    const id = `${program}/one`;
    expect((await run("health")).json).toEqual({ ok: true, url: open.url });
    const published = await run("publish", "sensors", "me", id, '{"t":22.5,"deep":{"a":[1,null,"é"]}}');
    expect(published).toMatchObject({ code: 0, stderr: "", json: { stream: "sensors", eventId: expect.any(String) } });
    await runWith({ input: '{"u":"from \\"stdin\\""}' }, "publish", "sensors", "me", id, "-", "--ttl", "900");
    expect((await run("get", id)).json).toMatchObject({
      id,
      properties: { t: 22.5, deep: { a: [1, null, "é"] }, u: 'from "stdin"' },
    });
    expect((await run("get", id, "--meta")).json).toMatchObject({
      version: expect.any(Number),
      expiresAt: expect.any(String),
    });
    const batch = await run(
      "batch",
      JSON.stringify(
        ["two", "three"].map((name) => ({
          stream: "sensors",
          source: "me",
          payload: { entity_id: `${program}/${name}`, properties: { name } },
        })),
      ),
    );
    expect(batch).toMatchObject({ code: 0, json: { successful: 2, failed: 0 } });
    expect((await run("list", "--prefix", `${program}/t`)).json).toHaveLength(2);
    const page = await run("list", "--namespace", program, "--limit", "2", "--sort", "id");
    expect(page.json).toMatchObject([{ id }, { id: `${program}/three` }]);
    const cursor = /--cursor (\S+)/.exec(page.stderr)?.[1] ?? "";
    const rest = await run("list", "--namespace", program, "--limit", "2", "--sort", "id", "--cursor", cursor);
    expect(rest.json).toMatchObject([{ id: `${program}/two` }]);
    const past = await run("history", id, "--limit", "1", "--since", "2020-01-01T00:00:00+01:00");
    expect(past.json).toMatchObject([{ payload: { entity_id: id, properties: { u: 'from "stdin"' } } }]);
    expect((await run("delete", id)).json).toMatchObject({ entity_id: id });
    expect(await run("get", id)).toMatchObject({ code: 1, stdout: "", stderr: expect.stringContaining("not found") });
    const filter = JSON.stringify({ prefix: `${program}/t` });
    expect((await run("batch-delete", filter, "--dry-run")).json).toEqual({ matches: 2 });
    expect((await run("list", "--namespace", program)).json).toHaveLength(2);
    expect((await run("batch-delete", filter)).json).toMatchObject({ deleted: 2 });
    expect((await run("list", "--namespace", program)).json).toEqual([]);
  });

  it("keeps connectors' credentials and the configuration", async () => {
    const { run, runWith } = flux({ FLUX_ADMIN_TOKEN: open.adminToken });
    expect((await runWith({ input: "s3cret\n" }, "connector-token", "github")).json).toEqual({ success: true });
    expect((await run("connectors", "github")).json).toMatchObject({ status: "configured" });
    expect((await run("connector-token", "github", "--remove")).json).toEqual({ success: true });
    expect((await run("connectors")).json).toMatchObject({ connectors: { length: 4 } });
    expect((await run("admin-config", '{"rate_limit_enabled":false}')).json).toMatchObject({
      rate_limit_enabled: false,
    });
    expect((await run("admin-config")).json).toMatchObject({ rate_limit_enabled: false });
  });

  it("keeps namespaces, and writes with their tokens", async () => {
    const env = { FLUX_URL: closed.url };
    const admin = flux({ ...env, FLUX_ADMIN_TOKEN: closed.adminToken }).run;
    const name = `ns-${program}`;
    const made = (await admin("namespace", "create", name, "--private")).json as { token: string };
    const writer = flux({ ...env, FLUX_TOKEN: made.token }).run;
    expect(await writer("publish", "s", "me", `${name}/a`, '{"x":1}')).toMatchObject({ code: 0 });
    expect(await writer("publish", "s", "me", "other/a", '{"x":1}')).toMatchObject({ code: 1, stdout: "" });
    expect((await writer("get", `${name}/a`)).json).toMatchObject({ properties: { x: 1 } });
    expect((await flux(env).run("list", "--namespace", name)).stdout).not.toContain(`${name}/a`);
    await admin("namespace", "private", name, "off");
    expect((await flux(env).run("list", "--namespace", name)).json).toHaveLength(1);
    expect((await admin("namespace", "get", name)).json).toMatchObject({ name });
    expect((await admin("namespace", "list")).stdout).toContain(name);
    const { token } = (await writer("namespace", "rotate", name)).json as { token: string };
    expect(await writer("delete", `${name}/a`)).toMatchObject({ code: 1 });
    expect(await flux({ ...env, FLUX_TOKEN: token }).run("delete", `${name}/a`)).toMatchObject({ code: 0 });
    expect(await admin("namespace", "delete", name)).toMatchObject({ code: 2, stdout: "" });
    expect((await admin("namespace", "delete", name, "--yes")).json).toEqual({});
    expect(await admin("namespace", "get", name)).toMatchObject({ code: 1 });
  });

  it("takes any id and any text as they are", async () => {
    const { run, dir: home } = flux();
    await Promise.all(
      HOSTILE_IDS.map(async (name) => {
        const id = `${program}-odd/${name}`;
        const said = { text: name, [name]: true };
        expect(await run("publish", "--", "s", name, id, JSON.stringify(said))).toMatchObject({ code: 0 });
        expect(await run("get", "--", id)).toMatchObject({ stderr: "", json: { id, properties: said } });
      }),
    );
    expect((await run("list", "--prefix", `${program}-odd/`)).json).toHaveLength(HOSTILE_IDS.length);
    const odd = `${program}-odd/${HOSTILE_IDS.slice(0, 8).join("")}`;
    await run("publish", "s", "me", odd, "{}");
    expect((await run("history", odd)).json).toMatchObject([{ payload: { entity_id: odd } }]);
    const filter = JSON.stringify({ entity_ids: HOSTILE_IDS.map((name) => `${program}-odd/${name}`) });
    expect((await run("batch-delete", filter)).json).toMatchObject({ deleted: HOSTILE_IDS.length });
    expect((await run("list", "--prefix", `${program}-odd/`)).json).toEqual([]);
    expect(readdirSync(home)).not.toContain("pwned");
  });

  it("carries what is large, from standard input", async () => {
    const { run, runWith } = flux();
    const big = "é".repeat(400_000);
    const id = `${program}/big`;
    expect(await runWith({ input: JSON.stringify({ big }) }, "publish", "s", "me", id, "-")).toMatchObject({ code: 0 });
    expect((await run("get", id)).json).toMatchObject({ properties: { big } });
    const tooBig = JSON.stringify({ big: big.repeat(2) });
    const refused = await runWith({ input: tooBig }, "publish", "s", "me", id, "-");
    expect(refused).toMatchObject({ code: 1, stdout: "", stderr: expect.stringContaining("HTTP 413") });
  });

  it.each([["polling", []] as const, ["a WebSocket to hint", ["node"]] as const])(
    "watches by %s",
    async (_how, extras) => {
      const watcher = new Flux([program, ...extras], { FLUX_URL: open.url });
      const { run } = flux();
      const ns = `${program}-watch${extras.length}`;
      const state = path.join(watcher.dir, "state");
      await run("publish", "s", "me", `${ns}/a`, '{"x":1}');
      expect(
        (await watcher.run("watch", "--namespace", ns, "--initial", "--seconds", "0", "--count", "1")).json,
      ).toEqual({
        type: "appeared",
        id: `${ns}/a`,
        before: null,
        after: { x: 1 },
        lastUpdated: expect.any(String),
      });
      const once = ["watch", "--prefix", `${ns}/`, "--state", state];
      expect(await watcher.run(...once, "--seconds", "0", "--count", "1", "--initial")).toMatchObject({ code: 0 });
      // A watch that polls would take ten minutes to see this.
      const interval = extras.length > 0 ? "600" : "1";
      const watching = watcher.run(
        "watch",
        `${ns}/a`,
        "--seconds",
        "0",
        "--interval",
        interval,
        "--count",
        "2",
        "--initial",
      );
      const changing = (async () => {
        for (let x = 2; ; x++) {
          await run("publish", "s", "me", `${ns}/a`, `{"x":${x}}`);
          if ((await Promise.race([watching, new Promise((resolve) => setTimeout(resolve, 200))])) !== undefined)
            return;
        }
      })();
      const seen = await watching;
      await changing;
      expect(seen).toMatchObject({ code: 0, stderr: "" });
      expect(
        seen.stdout
          .trim()
          .split("\n")
          .map((line) => JSON.parse(line) as unknown)[1],
      ).toMatchObject({
        type: "changed",
        before: { x: expect.any(Number) },
      });
      await run("publish", "s", "me", `${ns}/b`, '{"y":1}');
      await run("delete", `${ns}/a`);
      const later = (await watcher.run(...once, "--seconds", "0", "--count", "2")).stdout.trim().split("\n");
      expect(later.map((line) => JSON.parse(line) as unknown)).toMatchObject([
        { type: "gone", id: `${ns}/a`, after: null },
        { type: "appeared", id: `${ns}/b`, before: null, after: { y: 1 } },
      ]);
      const other = await watcher.run("watch", "--prefix", "elsewhere/", "--state", state);
      expect(other).toMatchObject({ code: 2, stderr: expect.stringContaining("another watch") });
      writeFileSync(state, `${open.url}/api/state/entities?prefix=${ns}%2F\n{"half`);
      expect(await watcher.run(...once)).toMatchObject({ code: 2, stderr: expect.stringContaining("damaged") });
      expect(readdirSync(path.join(watcher.dir, "tmp"))).toEqual([]);
    },
  );
});
