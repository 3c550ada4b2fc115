/** Files through a real hub, a real journal and a real account, in both directions and both generations. */

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { createScript, createTopic, issueActivationCode } from "../../hub/src/admin/operations.ts";
import { type RunningHub, startHub } from "../../hub/src/server.ts";
import { runAccount } from "../../src/account/account.ts";
import type { RunningAccount } from "../../src/account/types.ts";
import { resolveAccountConfig } from "../../src/config/resolve.ts";
import { accountPaths } from "../../src/credentials/home.ts";
import type { TurnRequest, TurnResult } from "../../src/replies/turn.ts";
import { createServiceClient } from "../../src/service/client.ts";
import type { Generation, TopicEvent } from "../../src/service/types.ts";
import { until } from "../account/support.ts";
import { NEVER } from "../service/peer.ts";
import { redeem } from "../tools/support.ts";
import { folderStore, PNG } from "./support.ts";

type Turn = (request: TurnRequest, running: RunningAccount) => Promise<TurnResult> | TurnResult;

const replied = (text: string, ...media: string[]): TurnResult => ({ kind: "replied", text, media });

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

/** A hub, an account that works with `turn`, and a program that asks it. */
async function world(generation: Generation, turn: Turn) {
  const dir = mkdtempSync(join(tmpdir(), "agentrux-attach-"));
  cleanups.push(() => Promise.resolve(rmSync(dir, { recursive: true, force: true })));
  let hub: RunningHub = await startHub({ dataDir: join(dir, "hub"), port: 0, logLevel: "silent" });
  cleanups.push(() => hub.close());
  const commands = (await createTopic(hub.deps, { name: "commands" })).id;
  const results = (await createTopic(hub.deps, { name: "results" })).id;
  const agent = await createScript(hub.deps, { name: "agent", read: [commands], write: [results] });
  const asker = await createScript(hub.deps, { name: "asker", read: [results], write: [commands] });
  const client = createServiceClient(await redeem(hub, generation, asker.id));
  cleanups.push(() => client.close());
  const paths = accountPaths("default", join(dir, "home", ".agentrux"));
  mkdirSync(paths.dir, { recursive: true, mode: 0o700 });
  const code = await issueActivationCode(hub.deps, { script: agent.id, generation });
  writeFileSync(paths.bootstrap, `${code.code}\n`, { mode: 0o600 });
  const workspace = join(dir, "workspace");
  mkdirSync(join(dir, "staged"));
  mkdirSync(workspace);
  const keys = { commandTopicId: commands, resultTopicId: results, agentId: "main", baseUrl: hub.url };
  const config = resolveAccountConfig({ channels: { agentrux: { ...keys, pollIntervalMs: 1_000 } } }, "default");
  const lines: string[] = [];
  const log = (line: string): void => void lines.push(line);
  const requests: TurnRequest[] = [];

  /** A life of the account; the result ends it. */
  const start = async (): Promise<() => Promise<void>> => {
    let running: RunningAccount | undefined;
    const stop = new AbortController();
    const states: string[] = [];
    const done = runAccount({
      config,
      runner: {
        async run(request) {
          requests.push(request);
          if (running === undefined) throw new Error("not running");
          return await turn(request, running);
        },
        owner: () => Promise.resolve("nobody"),
      },
      media: folderStore(join(dir, "staged")),
      outgoing: {
        rules: () => ({ base: workspace, allowed: [workspace], closed: [], sealed: [paths.base] }),
        originalOf: (reference: string) => Promise.resolve(reference),
        typeOf: () => Promise.resolve("text/plain"),
      },
      log: { debug: log, info: log, warn: log, error: log },
      setState: ({ kind }) => void states.push(kind),
      onActivity: () => undefined,
      onRunning: (account) => {
        running = account;
      },
      paths,
      signal: stop.signal,
    });
    await until("the account is ready", () => states.at(-1) === "ready");
    return async () => {
      stop.abort();
      await done;
    };
  };

  const upload = (bytes: Buffer, contentType: string): Promise<string> =>
    client.createObject({ topicId: commands, bytes, contentType, signal: NEVER }).then(({ objectId }) => objectId);
  const events = async (): Promise<readonly TopicEvent[]> =>
    (await client.pull({ topicId: results, after: "", limit: 100, signal: NEVER })).events;
  return {
    workspace,
    results,
    lines,
    requests,
    start,
    upload,
    events,
    copies: () => readdirSync(join(paths.dir, "outgoing")),
    publish: (payload: object, type = "openclaw.request") =>
      client.publish({ topicId: commands, type, payload, signal: NEVER }),
    /** The events that end a request. */
    async replies(requestId: string): Promise<Record<string, unknown>[]> {
      const found = (await events()).map(({ payload }) => payload as Record<string, unknown>);
      return found.filter((payload) => payload["request_id"] === requestId);
    },
    async reply(requestId: string): Promise<Record<string, unknown>> {
      await until(`a reply to ${requestId}`, async () => (await this.replies(requestId)).length > 0);
      return (await this.replies(requestId))[0] ?? {};
    },
    /** What lies behind an attachment of a reply. */
    async fetched(attachment: Record<string, unknown>): Promise<Buffer> {
      const objectId = String(attachment["object_id"] ?? attachment["payload_object_id"]);
      const info = await client.objectInfo({ topicId: results, objectId, signal: NEVER });
      const answer = await fetch(info.downloadUrl);
      return Buffer.from(await answer.arrayBuffer());
    },
    /** Where the hub says that an object of the command topic is. */
    linkTo: (objectId: string) =>
      client.objectInfo({ topicId: commands, objectId, signal: NEVER }).then(({ downloadUrl }) => downloadUrl),
    hubUrl: () => hub.url,
    stopHub: () => hub.close(),
    async startHub() {
      const port = Number(new URL(hub.url).port);
      hub = await startHub({ dataDir: join(dir, "hub"), port, logLevel: "silent" });
    },
  };
}

const attachmentsOf = (reply: Record<string, unknown>) => reply["attachments"] as Record<string, unknown>[];

describe.each(["a", "b"] as const)("generation %s", (generation) => {
  const idKey = generation === "a" ? "object_id" : "payload_object_id";

  it("brings a request's files to its turn by their ids", async () => {
    const place = await world(generation, () => replied("done"));
    cleanups.push(await place.start());
    const text = await place.upload(Buffer.from("disk full\n"), "text/plain");
    const picture = await place.upload(PNG, "image/png");
    await place.publish({
      request_id: "r",
      message: "look",
      attachments: [
        { name: "error.log", [idKey]: text, content_type: "text/plain" },
        { name: "photo.png", [idKey]: picture, content_type: "image/png" },
        { name: "gone.txt", [idKey]: "00000000-0000-4000-8000-000000000000" },
      ],
    });
    await place.reply("r");
    const [log, photo, gone] = place.requests[0]?.attachments ?? [];
    expect(log).toMatchObject({ name: "error.log", text: "disk full\n" });
    expect(photo?.file).toMatchObject({ contentType: "image/png", size: PNG.byteLength });
    expect(readFileSync(photo?.file?.path ?? "").equals(PNG)).toBe(true);
    expect(gone?.summary).toContain("the service does not have it");
  });

  it("brings a file by the link that the hub hands out, and nothing else that the hub answers", async () => {
    const place = await world(generation, () => replied("done"));
    cleanups.push(await place.start());
    const id = await place.upload(Buffer.from("disk full\n"), "text/plain");
    // The older generation's objects are readable at once, the newer one's when an event refers to them.
    await place.publish({ request_id: "r-1", message: "look", attachments: [{ [idKey]: id }] });
    await place.reply("r-1");
    const urls = [await place.linkTo(id), `${place.hubUrl()}/api/state/entities`, `${place.hubUrl()}/metrics`];
    const attachments = urls.map((url) => ({ name: "x", download_url: url }));
    await place.publish({ request_id: "r-2", message: "look", attachments });
    await place.reply("r-2");
    const found = place.requests[1]?.attachments ?? [];
    expect(found.map(({ text }) => text)).toEqual(["disk full\n", undefined, undefined]);
    for (const { summary } of found.slice(1)) expect(summary).toContain("its address is not one that is fetched");
  });

  it("sends the files of an answer, those its tools attached and those it names, with their checksums", async () => {
    const big = Buffer.alloc(3 * 1024 * 1024, "0123456789abcdef");
    const place: Awaited<ReturnType<typeof world>> = await world(generation, async ({ address }, running) => {
      await running.attach(address, { reference: "table.csv", text: "a,b\n1,2\n" });
      return replied("here", join(place.workspace, "big.bin"), "/etc/passwd");
    });
    writeFileSync(join(place.workspace, "big.bin"), big);
    cleanups.push(await place.start());
    await place.publish({ request_id: "r", message: "send" });
    const reply = await place.reply("r");
    const [refused, table, file] = attachmentsOf(reply);
    expect(reply).toMatchObject({ status: "completed", message: "here", final: true });
    expect(refused).toMatchObject({ name: "passwd", error: { code: "path_refused" } });
    expect(table).toMatchObject({ name: "table.csv", content_type: "text/plain", size: 8 });
    expect(file).toMatchObject({
      name: "big.bin",
      size: big.byteLength,
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    expect(Object.keys(file ?? {})).toContain(idKey);
    expect((await place.fetched(file ?? {})).equals(big)).toBe(true);
    expect((await place.fetched(table ?? {})).toString()).toBe("a,b\n1,2\n");
    await until("the copies are gone", () => place.copies().length === 0);
  });

  it("keeps the files of an answer while the service is away, through a stop: one reply, with them", async () => {
    let down = false;
    const place: Awaited<ReturnType<typeof world>> = await world(generation, async () => {
      down = true;
      await place.stopHub();
      return replied("kept", join(place.workspace, "a.txt"));
    });
    writeFileSync(join(place.workspace, "a.txt"), "content");
    const stop = await place.start();
    await place.publish({ request_id: "r", message: "send" });
    await until("the reply waits", () => down && place.lines.some((line) => line.includes("not published")));
    expect(place.copies()).toHaveLength(1);
    await stop();
    rmSync(join(place.workspace, "a.txt"));
    await place.startHub();
    cleanups.push(await place.start());
    const [file] = attachmentsOf(await place.reply("r"));
    expect((await place.fetched(file ?? {})).toString()).toBe("content");
    expect([(await place.replies("r")).length, place.requests.length]).toEqual([1, 1]);
    await until("the copies are gone", () => place.copies().length === 0);
  });
});

describe("the Composer's dialect", () => {
  it("is answered in kind: an upload for each file, then the text, of one group", async () => {
    const place: Awaited<ReturnType<typeof world>> = await world("b", () =>
      replied("two files", join(place.workspace, "a.txt"), join(place.workspace, "b.txt"), "/etc/passwd"),
    );
    for (const name of ["a.txt", "b.txt"]) writeFileSync(join(place.workspace, name), name);
    cleanups.push(await place.start());
    await place.publish(
      { request_id: "r", conversation_key: "k", content: "send", format: "markdown" },
      "composer.text",
    );
    await until("three events", async () => (await place.events()).length === 3);
    const events = await place.events();
    expect(events.map(({ type }) => type)).toEqual(["composer.upload", "composer.upload", "composer.text"]);
    const groups = new Set(events.map(({ metadata }) => metadata?.["group_id"]));
    expect([...groups]).toEqual([expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-/)]);
    expect(events[0]?.payloadRef).toMatch(/^pob_/);
    expect(events[0]?.metadata).toMatchObject({
      request_id: "r",
      conversation_key: "k",
      filename: "a.txt",
      content_type: "text/plain",
      size_bytes: 5,
      final: false,
    });
    expect((await place.fetched({ payload_object_id: events[1]?.payloadRef })).toString()).toBe("b.txt");
    expect(events[2]?.payload).toEqual({
      content: "two files\n\npasswd: This file could not be sent.",
      format: "markdown",
    });
    expect(events[2]?.metadata).toMatchObject({ status: "completed", final: true });
  });

  it("without files is one text, also for a failure, and never taken for a command", async () => {
    const place = await world("b", () => ({ kind: "timeout" }));
    cleanups.push(await place.start());
    await place.publish({ request_id: "r", content: "send" }, "composer.text");
    await until("one event", async () => (await place.events()).length === 1);
    const [event] = await place.events();
    expect([event?.type, event?.metadata?.["status"], event?.metadata?.["final"]]).toEqual([
      "composer.text",
      "timeout",
      true,
    ]);
    expect(event?.metadata?.["reply_id"]).toMatch(/^idk_/);
  });

  it("is not spoken by the older generation, which has no fields for it", async () => {
    const place = await world("a", () => replied("plain"));
    cleanups.push(await place.start());
    await place.publish({ request_id: "r", content: "send" }, "composer.text");
    expect(await place.reply("r")).toMatchObject({ message: "plain", status: "completed" });
  });
});
