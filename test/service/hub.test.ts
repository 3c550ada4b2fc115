/** The client against the real hub, in both generations. */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import {
  createInvite,
  createScript,
  createTopic,
  issueActivationCode,
  revokeGrant,
} from "../../hub/src/admin/operations.ts";
import { startHub, type HubOptions, type RunningHub } from "../../hub/src/server.ts";
import { createServiceClient, type CredentialedClient, type ServiceClientOptions } from "../../src/service/client.ts";
import type { Generation, ServiceCredentials } from "../../src/service/types.ts";
import { failure, NEVER, until } from "./peer.ts";

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

interface World {
  readonly hub: () => RunningHub;
  readonly commands: string;
  readonly results: string;
  readonly scriptId: string;
  readonly credentials: ServiceCredentials;
  readonly client: CredentialedClient;
  /** Stops the hub; `start` brings it back on the same port and folder. */
  readonly stop: () => Promise<void>;
  readonly start: () => Promise<void>;
}

async function world(
  generation: Generation,
  hubOptions: Partial<HubOptions> = {},
  clientOptions: ServiceClientOptions = {},
): Promise<World> {
  const dataDir = await mkdtemp(join(tmpdir(), "agentrux-service-"));
  cleanups.push(() => rm(dataDir, { recursive: true, force: true }));
  let hub = await startHub({ ...hubOptions, dataDir, port: 0, logLevel: "silent" });
  cleanups.push(() => hub.close());
  const port = Number(new URL(hub.url).port);
  const { deps } = hub;
  const commands = await createTopic(deps, { name: "commands" });
  const results = await createTopic(deps, { name: "results" });
  const script = await createScript(deps, {
    name: "agent",
    read: ["commands", "results"],
    write: ["commands", "results"],
  });
  const { code } = await issueActivationCode(deps, { script: script.id, generation });
  const credentials = await activate(hub.url, generation, code);
  const client = createServiceClient(credentials, clientOptions);
  cleanups.push(() => client.close());
  return {
    hub: () => hub,
    commands: commands.id,
    results: results.id,
    scriptId: script.id,
    credentials,
    client,
    stop: () => hub.close(),
    async start() {
      hub = await startHub({ ...hubOptions, dataDir, port, logLevel: "silent" });
    },
  };
}

async function activate(baseUrl: string, generation: Generation, code: string): Promise<ServiceCredentials> {
  const [path, body] =
    generation === "a" ? ["/auth/activate", { activation_code: code }] : ["/auth/redeem-activation-code", { code }];
  const answer = await fetch(baseUrl + path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const issued = (await answer.json()) as { script_id: string; client_id?: string; client_secret: string };
  return {
    generation,
    baseUrl,
    clientId: issued.client_id ?? issued.script_id,
    clientSecret: issued.client_secret,
    scriptId: issued.script_id,
  };
}

const publishText = (client: CredentialedClient, topicId: string, text: string, idempotencyKey?: string) =>
  client.publish({
    topicId,
    type: "openclaw.request",
    payload: { message: text },
    ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
    signal: NEVER,
  });

const texts = (page: { events: readonly { payload: unknown }[] }): unknown[] =>
  page.events.map(({ payload }) => (payload as { message?: unknown }).message);

/** A stream and what it told. */
function watch(client: CredentialedClient, topicId: string, after: () => string | undefined) {
  const abort = new AbortController();
  const log: string[] = [];
  const hints: (string | undefined)[] = [];
  const downs: unknown[] = [];
  const done = client.stream({
    topicId,
    after,
    signal: abort.signal,
    onOpen: () => log.push("open"),
    onHint: (position) => {
      log.push("hint");
      hints.push(position);
    },
    onDown: (reason) => {
      log.push("down");
      downs.push(reason);
    },
  });
  cleanups.push(() => {
    abort.abort();
    return done;
  });
  return { log, hints, downs, opens: () => log.filter((entry) => entry === "open").length };
}

/** Reconnects without the waits that keep a real service from being hammered. */
const QUICK = { stream: { baseMs: 20, capMs: 50 } } as const;

describe.each(["a", "b"] as const)("generation %s", (generation) => {
  test("publishes, pulls page by page, and tells who, what and when", async () => {
    const { client, commands, scriptId } = await world(generation);
    for (const text of ["один", "二", "three 🙂"]) await publishText(client, commands, text);
    const first = await client.pull({ topicId: commands, after: "", limit: 2, signal: NEVER });
    expect(texts(first)).toEqual(["один", "二"]);
    expect(first.events[0]).toMatchObject({
      topicId: commands,
      sequence: 1,
      type: "openclaw.request",
      producer: scriptId,
      storedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
    });
    const second = await client.pull({ topicId: commands, after: first.next ?? "", limit: 2, signal: NEVER });
    expect(texts(second)).toEqual(["three 🙂"]);
    const third = await client.pull({ topicId: commands, after: second.next ?? "", limit: 2, signal: NEVER });
    expect(third.events).toEqual([]);
    const after = first.events[0]?.cursor ?? "";
    expect(texts(await client.pull({ topicId: `top_${commands}`, after, limit: 9, signal: NEVER }))).toEqual([
      "二",
      "three 🙂",
    ]);
  });

  test("the newest events, newest first, and their position", async () => {
    const { client, commands } = await world(generation);
    expect((await client.pull({ topicId: commands, order: "desc", limit: 1, signal: NEVER })).events).toEqual([]);
    for (const text of ["one", "two", "three"]) await publishText(client, commands, text);
    const newest = await client.pull({ topicId: commands, order: "desc", limit: 2, signal: NEVER });
    expect(texts(newest)).toEqual(["three", "two"]);
    await publishText(client, commands, "four");
    expect(texts(await client.pull({ topicId: commands, after: newest.next ?? "", limit: 9, signal: NEVER }))).toEqual([
      "four",
    ]);
  });

  test("an idempotency key stores once, and a different event under it is refused", async () => {
    const { client, commands } = await world(generation);
    const first = await publishText(client, commands, "one", "idk_1");
    const second = await publishText(client, commands, "one", "idk_1");
    expect([first.replayed, second.replayed, second.eventId]).toEqual([false, true, first.eventId]);
    expect(await failure(publishText(client, commands, "other", "idk_1"))).toMatchObject({
      code: "conflict",
      kind: "refused",
      status: 409,
    });
    expect(texts(await client.pull({ topicId: commands, after: "", limit: 9, signal: NEVER }))).toEqual(["one"]);
  });

  test("correlation id, reply topic and type go through", async () => {
    const { client, commands, results } = await world(generation);
    await client.publish({
      topicId: commands,
      type: "x.y",
      payload: [1, null],
      correlationId: "c-1",
      replyTopic: results,
      signal: NEVER,
    });
    await client.publish({ topicId: commands, type: "other", payload: {}, signal: NEVER });
    const page = await client.pull({ topicId: commands, after: "", limit: 9, type: "x.y", signal: NEVER });
    expect(page.events).toEqual([
      expect.objectContaining({ type: "x.y", payload: [1, null], correlationId: "c-1", replyTopic: results }),
    ]);
  });

  test("topics and their actions", async () => {
    const { client, commands, results } = await world(generation);
    const topics = (await client.topics(NEVER)).map(({ topicId, actions }) => ({
      topicId,
      actions: actions.toSorted(),
    }));
    expect(topics).toHaveLength(2);
    expect(topics).toEqual(
      expect.arrayContaining([commands, results].map((topicId) => ({ topicId, actions: ["read", "write"] }))),
    );
  });

  test("hints as events come, and on connect for what came before", async () => {
    const { client, commands } = await world(generation);
    await publishText(client, commands, "before");
    let position = "";
    const stream = watch(client, commands, () => position);
    await until(() => stream.log.includes("hint"));
    expect(stream.log[0]).toBe("open");
    const before = stream.hints.length;
    position = (await client.pull({ topicId: commands, after: "", limit: 9, signal: NEVER })).next ?? "";
    await publishText(client, commands, "after");
    await until(() => stream.hints.length > before);
    expect(texts(await client.pull({ topicId: commands, after: position, limit: 9, signal: NEVER }))).toEqual([
      "after",
    ]);
  });

  test("comes back after the hub did, with what happened meanwhile", async () => {
    const { client, commands, credentials, stop, start } = await world(generation, {}, QUICK);
    const other = createServiceClient(credentials);
    cleanups.push(() => other.close());
    await publishText(client, commands, "one");
    const position = (await client.pull({ topicId: commands, after: "", limit: 9, signal: NEVER })).next ?? "";
    const stream = watch(client, commands, () => position);
    await until(() => stream.opens() === 1);
    await stop();
    await until(() => stream.log.includes("down"));
    expect(await failure(client.pull({ topicId: commands, after: position, limit: 9, signal: NEVER }))).toMatchObject({
      code: "network",
      kind: "local",
      retryable: true,
    });
    await start();
    await publishText(other, commands, "two");
    await until(() => stream.opens() === 2 && stream.log.lastIndexOf("hint") > stream.log.lastIndexOf("open"));
    expect(texts(await client.pull({ topicId: commands, after: position, limit: 9, signal: NEVER }))).toEqual(["two"]);
  });

  test("tokens that live for two seconds interrupt nothing", async () => {
    const short = { accessTokenAMs: 2_000, accessTokenBMs: 2_000 };
    const limits = { tokensPerHour: 1_000, refreshesPerHour: 1_000 };
    const { client, commands } = await world(generation, { ttls: short, limits }, QUICK);
    const stream = watch(client, commands, () => "");
    let published = 0;
    while (stream.opens() < 3) {
      await publishText(client, commands, `n${published}`);
      published += 1;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(stream.downs.filter((reason) => (reason as { code?: unknown }).code !== "network")).toEqual([]);
    let after = "";
    let read = 0;
    for (;;) {
      const page = await client.pull({ topicId: commands, after, limit: 100, signal: NEVER });
      if (page.events.length === 0) break;
      read += page.events.length;
      after = page.next ?? after;
    }
    expect(read).toBe(published);
  });

  test("a revoked grant is refused at once, and told by the stream", async () => {
    const { client, commands, hub, scriptId } = await world(generation, {}, QUICK);
    await publishText(client, commands, "one");
    const stream = watch(client, commands, () => "");
    await until(() => stream.opens() === 1);
    for (const grant of await hub().deps.store.scripts.grants(scriptId)) await revokeGrant(hub().deps, grant.id);
    expect(await failure(client.pull({ topicId: commands, after: "", limit: 9, signal: NEVER }))).toMatchObject({
      code: "forbidden",
      retryable: false,
      status: 403,
    });
    const late = watch(client, commands, () => "");
    await until(() => late.log.includes("down"));
    expect(late.downs[0]).toMatchObject({ code: "forbidden" });
  });

  test("a wrong secret says what to do", async () => {
    const { credentials } = await world(generation);
    const client = createServiceClient({ ...credentials, clientSecret: "aks_wrong-secret-wrong-secret" });
    cleanups.push(() => client.close());
    const error = await failure(client.probe(NEVER));
    expect(error).toMatchObject({
      code: "unauthorized",
      kind: "refused",
      retryable: false,
      details: { reason: "client_refused" },
    });
    expect(String(error)).not.toContain("aks_wrong");
  });

  test("objects go up and come down unharmed", async () => {
    const { client, commands } = await world(generation);
    const bytes = Buffer.from(Array.from({ length: 300_000 }, (_unused, i) => i % 251));
    const { objectId } = await client.createObject({
      topicId: commands,
      bytes,
      contentType: "application/octet-stream",
      filename: "b.bin",
      signal: NEVER,
    });
    await client.publish({ topicId: commands, type: "file", payloadRef: objectId, signal: NEVER });
    const [event] = (await client.pull({ topicId: commands, after: "", limit: 9, signal: NEVER })).events;
    expect(event?.payloadRef).toBe(objectId);
    const info = await client.objectInfo({ topicId: commands, objectId, signal: NEVER });
    expect(info).toMatchObject({ objectId, contentType: "application/octet-stream", size: bytes.length });
    const download = await fetch(info.downloadUrl);
    expect(Buffer.from(await download.arrayBuffer()).equals(bytes)).toBe(true);
  });

  test("an unknown object and an unknown topic are not found", async () => {
    const { client, commands } = await world(generation);
    const nowhere = "0197a1b2-0000-4000-8000-00000000dead";
    expect(await failure(client.objectInfo({ topicId: commands, objectId: nowhere, signal: NEVER }))).toMatchObject({
      kind: "refused",
      status: 404,
    });
    const error = await failure(client.pull({ topicId: nowhere, after: "", limit: 1, signal: NEVER }));
    expect(["not_found", "forbidden"]).toContain((error as { code?: unknown }).code);
  });
});

test("generation B: a position older than retention is an expired cursor with the oldest event", async () => {
  let now = Date.now();
  const { client, commands } = await world("b", {
    clock: { now: () => now },
    defaultRetentionS: 3_600,
    retentionSweepMs: 20,
    ttls: { accessTokenBMs: 864_000_000 },
  });
  await publishText(client, commands, "old");
  const old = (await client.pull({ topicId: commands, after: "", limit: 9, signal: NEVER })).next ?? "";
  await publishText(client, commands, "also old");
  now += 2 * 3_600_000;
  const kept = await publishText(client, commands, "kept");
  let error: unknown;
  await until(() => {
    void client
      .pull({ topicId: commands, after: old, limit: 9, signal: NEVER })
      .catch((thrown: unknown) => (error = thrown));
    return error !== undefined;
  });
  expect(error).toMatchObject({ code: "cursor_expired", details: { oldest: kept.eventId } });
  expect(texts(await client.pull({ topicId: commands, after: "", limit: 9, signal: NEVER }))).toEqual(["kept"]);
});

test("generation A: a rotated secret works, the old one does not", async () => {
  const { client, commands, credentials } = await world("a");
  const clientSecret = await client.rotateSecret(NEVER);
  await publishText(client, commands, "after rotation");
  const renewed = createServiceClient({ ...credentials, clientSecret });
  const stale = createServiceClient(credentials);
  cleanups.push(
    () => renewed.close(),
    () => stale.close(),
  );
  expect(await failure(renewed.probe(NEVER))).toBeUndefined();
  expect(await failure(stale.probe(NEVER))).toMatchObject({ code: "unauthorized" });
});

test("generation A: an expired secret is told apart, and can be rotated", async () => {
  const { credentials } = await world("a", { ttls: { clientSecretMs: 1 } });
  const client = createServiceClient(credentials);
  cleanups.push(() => client.close());
  expect(await failure(client.probe(NEVER))).toMatchObject({
    code: "unauthorized",
    details: { reason: "client_secret_expired" },
  });
  expect(await failure(client.rotateSecret(NEVER))).toBeUndefined();
});

test("generation A: an invite opens a topic at once", async () => {
  const { client, hub } = await world("a");
  const topic = await createTopic(hub().deps, { name: "shared" });
  await client.probe(NEVER);
  const invite = await createInvite(hub().deps, { topic: "shared", action: "write" });
  expect(await client.redeemInvite(invite.code, NEVER)).toEqual({ topicId: topic.id, action: "write" });
  await publishText(client, topic.id, "hello");
  expect((await client.topics(NEVER)).map(({ topicId }) => topicId)).toContain(topic.id);
  expect(await failure(client.redeemInvite(invite.code, NEVER))).toMatchObject({ code: "conflict" });
});

test("generation A: calls that never reached the hub leave the hour's ten untouched", async () => {
  let now = 0;
  const { client, stop, start } = await world("a", {}, { clock: { now: () => Date.now(), monotonic: () => now } });
  await stop();
  for (let minute = 0; minute < 30; minute += 1) {
    expect(await failure(client.probe(NEVER))).toMatchObject({ code: "network", kind: "local" });
    now += 60_000;
  }
  await start();
  expect(await failure(client.probe(NEVER))).toBeUndefined();
});
