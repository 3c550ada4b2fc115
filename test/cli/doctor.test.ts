/** What status and doctor see: each fault is made for real, and found with its cure. */

import { execSync } from "node:child_process";
import { chmod, mkdir, readFile, truncate, utimes, writeFile } from "node:fs/promises";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { checkAddress } from "../../src/cli/doctor/address.ts";
import { checkReleases } from "../../src/cli/doctor/config.ts";
import { doctor } from "../../src/cli/doctor/doctor.ts";
import type { Finding } from "../../src/cli/doctor/finding.ts";
import { network, type NetworkPorts } from "../../src/cli/doctor/network.ts";
import { rotate } from "../../src/cli/rotate.ts";
import { status } from "../../src/cli/status.ts";
import { topics } from "../../src/cli/topics.ts";
import { echo, Place, type Turn } from "../account/support.ts";
import { json, NEVER, startPeer } from "../service/peer.ts";
import { activated, calls, contextOf, put, type TestContext } from "./support.ts";

let place: Place;

beforeEach(async () => {
  place = await Place.create();
  await mkdir(place.paths.dir, { recursive: true, mode: 0o700 });
});

afterEach(() => place.close());

interface Report {
  readonly worst: string | null;
  readonly findings: readonly (Finding & { readonly accountId?: string })[];
}

async function examine(context: TestContext, online = false, ports?: NetworkPorts) {
  const result = await doctor([context], {
    online,
    nodeVersion: "24.21.0",
    hostVersion: "2026.9.6",
    ...(ports === undefined ? {} : { network: ports }),
  });
  const { worst, findings: all } = result.json as Report;
  // What a configuration leaves open has tests of its own, and these accounts are open to whoever the hub lets publish.
  const findings = all.filter(({ id }) => !id.startsWith("security."));
  return { ...result, report: { worst, findings } satisfies Report, ids: findings.map(({ id }) => id) };
}

const DAY_MS = 86_400_000;

async function listening(turn: Turn = echo) {
  await place.drop(await place.code());
  const running = place.start(turn);
  await running.ready();
  return running;
}

describe("doctor, of a healthy account", () => {
  it("finds nothing but the note that replies cannot be looked up, beside a running gateway", async () => {
    await listening();
    const { exitCode, ids, lines, report } = await examine(contextOf(place), true);
    expect({ exitCode, ids, worst: report.worst }).toEqual({ exitCode: 0, ids: ["access.result-read"], worst: "info" });
    expect(lines.at(-1)).toMatch(/^\d+ notes?\.$/);
    expect(lines.join("\n")).toContain(`in use by pid ${process.pid}`);
  });

  it("does not disturb it: the next command is answered", async () => {
    await listening();
    await examine(contextOf(place), true);
    await place.publish({ request_id: "r", message: "x" });
    expect(await place.reply("r")).toMatchObject({ status: "completed" });
  });

  it("asks for one token, and asks nobody when it is offline", async () => {
    const me = await activated(place, "me");
    await examine(me);
    expect(await calls(place, "/auth/token")).toBe(0);
    await examine(me, true);
    await examine(me, true);
    expect(await calls(place, "/auth/token")).toBe(2);
    await topics(me, { fresh: false });
    expect(await calls(place, "/auth/token")).toBe(2);
  });
});

describe("doctor, of files and credentials", () => {
  it("finds an account that is not activated", async () => {
    const { exitCode, ids } = await examine(contextOf(place), true);
    expect({ exitCode, ids }).toEqual({ exitCode: 1, ids: ["credentials.missing"] });
  });

  it("finds files that others can read, names each, and repairs none", async () => {
    const me = await activated(place, "me");
    await chmod(me.paths.credentials, 0o644);
    await chmod(me.paths.dir, 0o755);
    for (const round of [1, 2]) {
      const { exitCode, report } = await examine(me);
      expect([round, exitCode]).toEqual([round, 1]);
      expect(report.findings.filter(({ id }) => id === "files.mode")).toMatchObject([
        { severity: "warning", where: me.paths.dir, cure: `chmod go= ${me.paths.dir}` },
        { severity: "error", where: me.paths.credentials, cure: `chmod go= ${me.paths.credentials}` },
      ]);
    }
  });

  it("finds malformed credentials, without a word of what is in them", async () => {
    await put(place.paths.credentials, '{"base_url":"https://x.example","script_id":"s","clientSecret":"top secret"}');
    const { ids, lines } = await examine(contextOf(place));
    expect(ids).toEqual(["credentials.malformed"]);
    expect(lines.join("\n")).not.toContain("top secret");
  });

  it.each([
    [79, []],
    [80, ["credentials.age warning"]],
    [91, ["credentials.age error"]],
  ])("finds a secret of %i days", async (days, expected) => {
    const me = await activated(place, "me");
    const then = new Date(Date.now() - days * DAY_MS - 60_000);
    await utimes(me.paths.credentials, then, then);
    const { report } = await examine(me);
    expect(report.findings.map(({ id, severity }) => `${id} ${severity}`)).toEqual(expected);
  });

  it("is content again after a rotation", async () => {
    const me = await activated(place, "me");
    const then = new Date(Date.now() - 85 * DAY_MS);
    await utimes(me.paths.credentials, then, then);
    expect((await examine(me)).ids).toEqual(["credentials.age"]);
    await rotate(me);
    expect((await examine(me)).ids).toEqual([]);
  });

  it("finds a secret that could not be stored, and the cure helps", async () => {
    const me = await activated(place, "me");
    const { credentials } = me.paths;
    const works = await readFile(credentials, "utf8");
    const left = `${credentials}.recovered-20260101-000000`;
    await writeFile(credentials, works.replace(/"clientSecret": "[^"]*"/, '"clientSecret": "the-old-secret"'));
    await put(left, works);
    const { exitCode, ids, report } = await examine(me);
    expect([exitCode, ids]).toEqual([1, ["files.newer-secret"]]);
    expect((await status([me])).lines.join("\n")).toContain(left);
    execSync(report.findings[0]?.cure ?? "");
    expect((await examine(me, true)).ids).not.toContain("files.newer-secret");
    expect(await readFile(credentials, "utf8")).toBe(works);
    await put(left, works.replace("scr_", "scr_an-old-one-"));
    await utimes(left, new Date(0), new Date(0));
    expect((await examine(me)).ids).toEqual([]);
  });

  it("finds what an activation left behind, once it cannot be under way any more", async () => {
    const me = await activated(place, "me");
    await put(me.paths.inflight, "x");
    await put(me.paths.bootstrap, "x");
    await put(`${me.paths.bootstrap}.failed-20260101-000000`, "x");
    await put(`${me.paths.bootstrap}.failed-20260101-000000.json`, "{}");
    expect((await examine(me)).ids).toEqual(["files.quarantined"]);
    const { exitCode, ids } = await examine({ ...me, now: () => Date.now() + 600_000 });
    expect(ids).toEqual(["files.inflight", "files.bootstrap-waiting", "files.quarantined"]);
    expect(exitCode).toBe(4);
  });
});

describe("doctor, of the configuration and the releases", () => {
  it("finds what the configuration's own checks find", async () => {
    const config = {
      channels: { agentrux: place.keys },
      plugins: { entries: { "agentrux-openclaw-plugin": { config: { agentId: "other" } } } },
    };
    const { ids } = await examine({ ...contextOf(place), config });
    expect(ids).toContain("config.places-disagree");
  });

  it("finds that nothing is configured", async () => {
    expect((await examine({ ...contextOf(place), config: {} })).ids).toContain("config.no-account");
  });

  it("finds a host or a Node.js that is too old", () => {
    const idsOf = (host: string | undefined, node: string) => checkReleases(host, node).findings.map(({ id }) => id);
    expect(idsOf("2026.9.4", "24.16.0")).toEqual([]);
    expect(idsOf("2026.9.3", "24.16.0")).toEqual(["host.version"]);
    expect(idsOf("2027.1.0-beta.1", "26.0.0")).toEqual([]);
    expect(idsOf("2026.1.30", "24.15.9")).toEqual(["host.version", "host.node"]);
    expect(idsOf(undefined, "24.16.0")).toEqual([]);
  });
});

describe("doctor, of the journal and the read position", () => {
  async function stopped(turn?: Turn, settings: object = {}) {
    await place.drop(await place.code());
    const running = place.start(turn, settings);
    await running.ready();
    await place.publish({ request_id: "r", message: "x" });
    await place.reply("r");
    await running.stop();
  }

  it("finds dead letters and a backlog", async () => {
    await stopped(() => Promise.reject(new Error("model is down")), { maxAttempts: 1 });
    const db = new DatabaseSync(place.paths.journal);
    db.exec(`INSERT INTO commands (source, command_id, producer, lane, state, received_at, body)
      SELECT id, 'c', '', 'l', 'received', ${Date.now() - 3_600_000}, '{}' FROM sources LIMIT 1`);
    db.close();
    const { ids, exitCode } = await examine(contextOf(place));
    expect({ ids, exitCode }).toEqual({ ids: ["journal.dead-letters", "journal.backlog"], exitCode: 4 });
  });

  it("finds damage, and leaves the file where it is", async () => {
    await stopped();
    const bytes = await readFile(place.paths.journal);
    for (let page = 1; page < bytes.length / 4096; page += 1) bytes.fill(0x5a, page * 4096, page * 4096 + 4096);
    await writeFile(place.paths.journal, bytes);
    const { ids, exitCode } = await examine(contextOf(place));
    expect({ ids, exitCode }).toEqual({ ids: ["journal.damaged"], exitCode: 1 });
    expect(await readFile(place.paths.journal)).toEqual(bytes);
  });

  it("finds a journal that is no database, or empty", async () => {
    await activated(place, "default");
    await put(place.paths.journal, "this is a text of some length, and not a database");
    expect((await examine(contextOf(place))).ids).toEqual(["journal.damaged"]);
    await truncate(place.paths.journal, 0);
    expect((await examine(contextOf(place))).ids).toEqual(["journal.unreadable"]);
  });

  it("finds a journal of another release, and does not migrate it", async () => {
    await stopped();
    const version = (set?: number) => {
      const db = new DatabaseSync(place.paths.journal);
      if (set !== undefined) db.exec(`PRAGMA user_version = ${set}`);
      const found = db.prepare("PRAGMA user_version").get()?.["user_version"];
      db.close();
      return found;
    };
    version(99);
    expect((await examine(contextOf(place))).ids).toEqual(["journal.release"]);
    expect(version()).toBe(99);
  });

  it("finds a read position that cannot be read, or is one of another topic's life", async () => {
    await stopped();
    const topic = place.keys.commandTopicId;
    await writeFile(place.paths.waterline, JSON.stringify({ [topic]: 5_000 }));
    const { report } = await examine(contextOf(place), true);
    expect(report.findings.find(({ id }) => id === "waterline.ahead")).toMatchObject({
      severity: "error",
      cure: expect.stringContaining("waterline set 1"),
    });
    await writeFile(place.paths.waterline, "garbage");
    expect((await examine(contextOf(place))).ids).toEqual(["waterline.unreadable"]);
    expect(await readFile(place.paths.waterline, "utf8")).toBe("garbage");
  });
});

describe("doctor, of the service", () => {
  it("finds a service that is down, and does not say the same thing twice", async () => {
    const me = await activated(place, "me");
    await place.hub.close();
    expect((await examine(me, true)).ids).toEqual(["service.unreachable"]);
  });

  it("finds missing grants", async () => {
    const me = await activated(place, "me", { read: [], write: [] });
    expect((await examine(me, true)).ids).toEqual(["access.command-read", "access.result-write", "access.result-read"]);
  });

  it("finds a secret that is refused, and one that has ended", async () => {
    const me = await activated(place, "me");
    const text = await readFile(me.paths.credentials, "utf8");
    await writeFile(me.paths.credentials, text.replace(/("clientSecret": ")[^"]+/, "$1aks_wrong"));
    expect((await examine(me, true)).ids).toEqual(["access.secret-refused"]);
    const peer = await startPeer((request, response) =>
      request.path === "/auth/token"
        ? json(response, 401, { error: { code: "UNAUTHORIZED", message: "The client_secret has expired" } })
        : json(response, 200, {}),
    );
    const expired = await examine({ ...me, account: { ...me.account, baseUrl: peer.url, baseUrlIsSet: true } }, true);
    expect(expired.report.findings).toMatchObject([
      { id: "access.secret-expired", cure: "openclaw agentrux rotate --account me" },
    ]);
    await peer.close();
  });

  it("says when the token limit is used up, and for how long", async () => {
    const me = await activated(place, "me");
    const peer = await startPeer((request, response) =>
      request.path === "/auth/token"
        ? json(response, 429, { error: { code: "RATE_LIMITED", message: "Too many" } }, { "retry-after": "360" })
        : json(response, 200, {}),
    );
    const limited = await examine({ ...me, account: { ...me.account, baseUrl: peer.url, baseUrlIsSet: true } }, true);
    expect(limited.report.findings).toMatchObject([
      { id: "access.rate-limited", severity: "warning", cure: expect.stringContaining("6 min") },
    ]);
    expect(limited.exitCode).toBe(4);
    await peer.close();
  });

  /** What is found with the hub behind a peer that answers pulls of the command topic by itself. */
  async function withPulls(me: TestContext, pull: (query: URLSearchParams) => readonly [number, unknown]) {
    const peer = await startPeer(async ({ method, path, headers, body }, response) => {
      const { pathname, searchParams } = new URL(path, "http://peer");
      if (pathname === `/topics/${place.keys.commandTopicId}/events`) return json(response, ...pull(searchParams));
      const { "content-type": type = "application/json", authorization = "" } = headers;
      const request = { method, headers: { "content-type": type, authorization }, ...(body !== "" && { body }) };
      const answer = await fetch(`${place.hub.url}${path}`, { ...request, signal: AbortSignal.timeout(10_000) });
      json(response, answer.status, await answer.json().catch(() => ({})));
    });
    const account = { ...me.account, baseUrl: peer.url, baseUrlIsSet: true };
    const { report } = await examine({ ...me, account }, true);
    await peer.close();
    return report.findings;
  }

  const reader = () =>
    activated(place, "me", {
      read: [place.keys.commandTopicId, place.keys.resultTopicId],
      write: [place.keys.resultTopicId],
    });

  it.each([
    [503, "warning", "Ask again"],
    [429, "warning", "Ask again"],
    [404, "error", "Check commandTopicId"],
  ] as const)("judges a command topic that answers %i: %s", async (status, severity, cure) => {
    const findings = await withPulls(await reader(), () => [status, { error: { code: "X", message: "no" } }]);
    expect(findings).toMatchObject([{ id: "access.command-topic", severity, cure: expect.stringContaining(cure) }]);
  });

  it.each([
    [300, "newest", []],
    [300, "oldest", []],
    [250, "oldest", []],
    [301, "newest", ["waterline set 300 --account me"]],
    [5_000, "oldest", ["waterline set 300 --account me"]],
  ] as const)("judges a read position of %i in a topic of 300 events, answered %s first", async (at, first, cures) => {
    const me = await reader();
    const newestFirst = Array.from({ length: 300 }, (_, index) => 300 - index);
    await put(me.paths.waterline, JSON.stringify({ [place.keys.commandTopicId]: at }));
    const findings = await withPulls(me, (query) => {
      const after = query.get("after_sequence_no");
      const isNewestFirst = after === null && first === "newest";
      const numbers = (isNewestFirst ? newestFirst : newestFirst.toReversed()).filter((one) => one > Number(after));
      const event = (sequence_no: number) => ({ event_id: `e${sequence_no}`, sequence_no, type: "t", payload: {} });
      return [200, { items: numbers.slice(0, Number(query.get("limit"))).map(event) }];
    });
    expect(findings.map(({ id, cure }) => [id, cure])).toEqual(
      cures.map((cure) => ["waterline.ahead", `openclaw agentrux ${cure}`]),
    );
  });

  const now = Date.UTC(2026, 0, 1);
  const healthy: NetworkPorts = {
    resolve: () => Promise.resolve({ ok: true, addresses: ["192.0.2.1"] }),
    certificate: () => Promise.resolve({ ok: true, validTo: now + 60 * DAY_MS }),
    answer: () => Promise.resolve({ ok: true, status: 200, tookMs: 12, serverTimeMs: now }),
  };
  const addressIds = async (ports: Partial<NetworkPorts>, url = "https://hub.example") =>
    (await checkAddress(url, { ...healthy, ...ports }, () => now, NEVER)).findings.map(({ id }) => id);

  it("judges name, certificate, answer and clock", async () => {
    const certificate = (days: number, distrust?: string) => ({
      certificate: () =>
        Promise.resolve({
          ok: true as const,
          validTo: now + days * DAY_MS,
          ...(distrust === undefined ? {} : { distrust }),
        }),
    });
    const failure = () => Promise.resolve({ ok: false as const, problem: "no" });
    const answer = (more: object) => ({
      answer: () => Promise.resolve({ ok: true as const, status: 200, tookMs: 1, ...more }),
    });
    expect(await addressIds({})).toEqual([]);
    expect(await addressIds({ resolve: failure })).toEqual(["service.dns"]);
    expect(await addressIds({ certificate: failure })).toEqual(["service.tls"]);
    expect(await addressIds(certificate(13))).toEqual(["service.tls-expires"]);
    expect(await addressIds(certificate(-1))).toEqual(["service.tls-expired"]);
    expect(await addressIds({ ...certificate(90, "SELF_SIGNED"), answer: failure })).toEqual(["service.tls-untrusted"]);
    expect(await addressIds({ answer: failure })).toEqual(["service.unreachable"]);
    expect(await addressIds(answer({ status: 503 }))).toEqual(["service.faulty"]);
    expect(await addressIds(answer({ status: 404 }))).toEqual([]);
    expect(await addressIds(answer({ serverTimeMs: now - 120_000 }))).toEqual(["service.clock-skew"]);
    expect(await addressIds(answer({ serverTimeMs: now + 120_000 }))).toEqual(["service.clock-skew"]);
    expect(await addressIds({ certificate: failure }, "http://127.0.0.1:1")).toEqual([]);
  });

  it("looks for real: a name that does not exist, a port where nobody listens, a server without TLS", async () => {
    expect(await network.resolve("no-such-host.invalid")).toMatchObject({ ok: false });
    expect(await network.resolve("[::1]")).toEqual({ ok: true, addresses: ["::1"] });
    const port = Number(new URL(place.hub.url).port);
    expect(await network.certificate("127.0.0.1", port)).toMatchObject({ ok: false });
    expect(await network.answer(place.hub.url, NEVER)).toMatchObject({ ok: true, status: 200 });
    await place.hub.close();
    expect(await network.answer(place.hub.url, NEVER)).toMatchObject({ ok: false });
  });
});

describe("status", () => {
  it("tells working, stopped, off and not activated apart, and asks nobody", async () => {
    const stateOf = async (context: TestContext) => {
      const { json, exitCode } = await status([context]);
      return { ...(json as { accounts: { state: string }[] }).accounts[0], exitCode };
    };
    expect(await stateOf(contextOf(place))).toMatchObject({ state: "not activated", exitCode: 1 });
    const running = await listening();
    await place.publish({ request_id: "r", message: "x" });
    await place.reply("r");
    expect(await stateOf(contextOf(place))).toMatchObject({
      state: "working",
      exitCode: 0,
      gatewayPid: process.pid,
      generation: "a",
      journal: { condition: { kind: "sound" }, numbers: { deadLetters: 0 } },
    });
    await running.stop();
    const before = await calls(place, "/auth/token");
    expect(await stateOf(contextOf(place))).toMatchObject({ state: "stopped", exitCode: 0, readUpTo: "1" });
    expect(await stateOf(contextOf(place, "default", { enabled: false }))).toMatchObject({ state: "off", exitCode: 0 });
    expect(await stateOf(contextOf(place, "default", { agentId: 7 }))).toMatchObject({
      state: "misconfigured",
      exitCode: 1,
    });
    expect(await calls(place, "/auth/token")).toBe(before);
  });

  it("goes on without a journal, and with one that is broken", async () => {
    await activated(place, "default");
    expect((await status([contextOf(place)])).lines.join("\n")).toContain("nothing yet");
    await put(place.paths.journal, "this is a text of some length, and not a database");
    const { lines, exitCode } = await status([contextOf(place)]);
    expect(exitCode).toBe(0);
    expect(lines.join("\n")).toContain("openclaw agentrux doctor");
  });
});
