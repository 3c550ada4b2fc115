import { createHash } from "node:crypto";
import { afterEach, describe, expect, test } from "vitest";
import { createServiceClient, type CredentialedClient, type ServiceClientOptions } from "../../src/service/client.ts";
import type { Generation } from "../../src/service/types.ts";
import { failure, json, jwt, NEVER, startPeer, type Answerer, type Peer } from "./peer.ts";

const TOPIC = "0197a1b2-0000-7000-8000-000000000001";

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

interface Rig {
  readonly peer: Peer;
  readonly client: CredentialedClient;
  /** Requests other than for tokens. */
  readonly calls: () => Peer["received"];
}

async function rig(
  answer: Answerer,
  options: ServiceClientOptions & { generation?: Generation; token?: string } = {},
): Promise<Rig> {
  let tokens = 0;
  let calls = 0;
  const peer = await startPeer((request, response) => {
    if (/^\/(?:auth|oauth)\/(?:token|refresh)$/.test(request.path)) {
      const token = options.token ?? `T${tokens++}`;
      return json(response, 200, {
        access_token: token,
        refresh_token: "R",
        expires_in: 600,
        expires_at: "2199-01-01T00:00:00Z",
      });
    }
    return answer(request, response, calls++);
  });
  const client = createServiceClient(
    { generation: options.generation ?? "a", baseUrl: `${peer.url}/`, clientId: "id", clientSecret: "the-secret" },
    options,
  );
  cleanups.push(
    () => client.close(),
    () => peer.close(),
  );
  const isToken = (path: string): boolean => /\/(?:token|refresh)$/.test(path);
  return { peer, client, calls: () => peer.received.filter((request) => !isToken(request.path)) };
}

describe("calls with a token", () => {
  test("a rejected token is replaced and the call repeated, whole", async () => {
    const { client, calls } = await rig((request, response) =>
      request.headers.authorization === "Bearer T0"
        ? json(response, 401, {})
        : json(response, 201, { event_id: "e1", sequence_no: 4 }),
    );
    const result = await client.publish({
      topicId: TOPIC,
      type: "t",
      payload: { text: "日本語" },
      idempotencyKey: "idk_1",
      signal: NEVER,
    });
    expect(result).toEqual({ eventId: "e1", sequence: 4, replayed: false });
    expect(calls().map((call) => call.headers.authorization)).toEqual(["Bearer T0", "Bearer T1"]);
    expect(calls()[1]).toMatchObject({
      method: "POST",
      path: `/topics/${TOPIC}/events`,
      headers: { "content-type": "application/json", "idempotency-key": "idk_1" },
      body: '{"type":"t","payload":{"text":"日本語"}}',
    });
  });

  test("once: the second rejection is the answer", async () => {
    const { client, calls } = await rig((_request, response) => json(response, 401, {}));
    const error = await failure(client.pull({ topicId: TOPIC, after: "", limit: 10, signal: NEVER }));
    expect(error).toMatchObject({ code: "unauthorized", status: 401 });
    expect(calls()).toHaveLength(2);
  });

  test("a stampede of rejections renews once", async () => {
    const { client, calls, peer } = await rig((request, response) =>
      request.headers.authorization === "Bearer T0" ? json(response, 401, {}) : json(response, 200, { items: [] }),
    );
    await Promise.all(
      Array.from({ length: 20 }, () => client.pull({ topicId: TOPIC, after: "", limit: 10, signal: NEVER })),
    );
    expect(calls()).toHaveLength(40);
    expect(peer.received).toHaveLength(42);
  });

  test("an echoed token stays out of the error", async () => {
    const { client } = await rig(
      (_request, response) => json(response, 422, { detail: "odd token opaque-token-value" }),
      { token: "opaque-token-value" },
    );
    expect(String(await failure(client.pull({ topicId: TOPIC, after: "", limit: 1, signal: NEVER })))).not.toContain(
      "opaque-token-value",
    );
  });

  test("nothing is sent for ids and keys that cannot be", async () => {
    const { client, peer } = await rig((_request, response) => json(response, 200, {}));
    const circular: Record<string, unknown> = {};
    circular["self"] = circular;
    for (const work of [
      client.pull({ topicId: "../auth", after: "", limit: 1, signal: NEVER }),
      client.publish({ topicId: TOPIC, type: "t", idempotencyKey: "a\nb", signal: NEVER }),
      client.publish({ topicId: TOPIC, type: "t", payload: circular, signal: NEVER }),
      client.publish({ topicId: TOPIC, type: "t", payload: 1n, signal: NEVER }),
    ]) {
      expect(await failure(work)).toMatchObject({ code: "invalid", kind: "local" });
    }
    expect(peer.received).toEqual([]);
  });
});

describe("publishing", () => {
  test("a replay is told", async () => {
    const { client } = await rig((_request, response) =>
      json(response, 200, { event_id: "e1" }, { "idempotent-replayed": "true" }),
    );
    expect(await client.publish({ topicId: TOPIC, type: "t", signal: NEVER })).toEqual({
      eventId: "e1",
      replayed: true,
    });
  });

  test.each(["", "[]", "{}", "<html>"])("an answer of %j leaves the outcome open", async (body) => {
    const { client } = await rig((_request, response) => {
      response.writeHead(201);
      response.end(body);
    });
    expect(await failure(client.publish({ topicId: TOPIC, type: "t", signal: NEVER }))).toMatchObject({
      code: "malformed_response",
      kind: "unknown",
      retryable: true,
    });
  });
});

describe("pulling", () => {
  test("a page too large is asked for with fewer events, down to one", async () => {
    const { client, calls } = await rig(
      (request, response) => {
        const limit = Number(new URL(request.path, "http://x").searchParams.get("limit"));
        const items = Array.from({ length: limit }, (_unused, i) => ({
          event_id: `e${i}`,
          sequence_no: i + 1,
          type: "t",
          payload: "x".repeat(100),
        }));
        json(response, 200, { items });
      },
      { maxBodyBytes: 2_000 },
    );
    const page = await client.pull({ topicId: TOPIC, after: "0", limit: 1_000, signal: NEVER });
    expect(calls().map((call) => call.path.match(/limit=(\d+)/)?.[1])).toEqual(["1000", "125", "15", "1"]);
    expect(page.events.length).toBeGreaterThan(0);
    expect(page.next).toBe(String(page.events.length));
  });

  test.each([
    ["a", 422],
    ["b", 400],
  ] as const)(
    "a service of generation %s that refuses large pages with %i gets small ones",
    async (generation, status) => {
      const limitOf = ({ path }: { path: string }) => Number(new URL(path, "http://x").searchParams.get("limit"));
      const { client, calls } = await rig(
        (request, response) =>
          limitOf(request) > 100
            ? json(response, status, { detail: "limit: must be less than or equal to 100" })
            : json(response, 200, { items: [], events: [] }),
        { generation },
      );
      for (const limit of [50, 250, 1_000, 20]) await client.pull({ topicId: TOPIC, after: "", limit, signal: NEVER });
      expect(calls().map(limitOf)).toEqual([50, 250, 100, 100, 20]);
    },
  );

  test("what is refused for another reason stays refused, and says nothing about the limit", async () => {
    const refused = { detail: "type: unknown" };
    const { client, calls } = await rig((_request, response) => json(response, 422, refused), { generation: "b" });
    for (const limit of [250, 250, 100]) {
      const pulled = client.pull({ topicId: TOPIC, after: "", limit, signal: NEVER });
      expect(await failure(pulled)).toMatchObject({ code: "invalid", status: 422 });
    }
    expect(calls().map(({ path }) => /limit=(\d+)/.exec(path)?.[1])).toEqual(["250", "100", "250", "100", "100"]);
  });

  test("one event too large is told", async () => {
    const { client } = await rig((_request, response) => json(response, 200, { items: ["x".repeat(5_000)] }), {
      maxBodyBytes: 2_000,
    });
    expect(await failure(client.pull({ topicId: TOPIC, after: "0", limit: 3, signal: NEVER }))).toMatchObject({
      code: "response_too_large",
    });
  });

  test("an expired position comes with the oldest event", async () => {
    const detail = {
      error: "NOT_FOUND",
      message: "",
      details: { reason: "ttl_expired", oldest_available_evt_id: "evt_o" },
      next_action: "cursor_advance",
    };
    const { client } = await rig((_request, response) => json(response, 404, { detail }), { generation: "b" });
    expect(await failure(client.pull({ topicId: TOPIC, after: "evt_old", limit: 3, signal: NEVER }))).toMatchObject({
      code: "cursor_expired",
      details: { oldest: "evt_o" },
    });
  });

  test("a truncated page is an error, and the next pull works (W5)", async () => {
    const { client } = await rig((_request, response, index) => {
      if (index > 0) return json(response, 200, { items: [] });
      response.writeHead(200, { "content-length": "500" });
      response.write('{"items":[{"event_id"');
      setTimeout(() => response.destroy(), 10);
    });
    const pull = () => client.pull({ topicId: TOPIC, after: "", limit: 10, signal: NEVER });
    expect(await failure(pull())).toMatchObject({ code: "network", kind: "unknown", retryable: true });
    expect(await pull()).toEqual({ events: [], malformed: 0 });
  });
});

describe("topics", () => {
  test("generation A reads them from the token, without a call", async () => {
    const token = jwt({ iat: 0, exp: 600, scope: [`topic:${TOPIC}:read`, `topic:${TOPIC}:write`, "other"] });
    const { client, calls } = await rig((_request, response) => json(response, 500, {}), { token });
    expect(await client.topics(NEVER)).toEqual([{ topicId: TOPIC, actions: ["read", "write"] }]);
    expect(calls()).toEqual([]);
  });

  test("generation B lists them", async () => {
    const items = [
      { topic_id: `top_${TOPIC}`, name: "cmd", display_name: "Commands", actions: ["read", "admin", "write"] },
      { topic_id: "top_2", display_name: "Two" },
    ];
    const { client } = await rig((_request, response) => json(response, 200, { items }), { generation: "b" });
    expect(await client.topics(NEVER)).toEqual([
      { topicId: TOPIC, name: "cmd", actions: ["read", "write"] },
      { topicId: "top_2", name: "Two", actions: [] },
    ]);
  });
});

describe("payload objects", () => {
  const bytes = Buffer.from("hello, objects");

  test("generation A uploads with type and length only, and no token", async () => {
    const { client, calls, peer } = await rig((request, response) => {
      if (request.method === "PUT") return json(response, 200, {});
      json(response, 201, {
        object_id: "o1",
        upload_url: `${peer.url}/store/o1?sig=%2Fabc`,
        expiration: "x",
        download_url: `${peer.url}/d`,
      });
    });
    const stored = await client.createObject({
      topicId: TOPIC,
      bytes,
      contentType: "text/plain",
      filename: "h.txt",
      signal: NEVER,
    });
    expect(stored).toEqual({ objectId: "o1", downloadUrl: `${peer.url}/d` });
    expect(JSON.parse(calls()[0]?.body ?? "")).toEqual({
      content_type: "text/plain",
      filename: "h.txt",
      size: bytes.length,
      hash: createHash("sha256").update(bytes).digest("hex"),
    });
    expect(calls()[1]).toMatchObject({ method: "PUT", path: "/store/o1?sig=%2Fabc", body: "hello, objects" });
    const { host: _host, connection: _connection, ...headers } = calls()[1]?.headers ?? {};
    expect(headers).toEqual({
      "content-type": "text/plain",
      "content-length": String(bytes.length),
      "user-agent": expect.stringMatching(/^agentrux-openclaw-plugin/),
    });
  });

  test("generation B uploads with exactly the headers it is told", async () => {
    const { client, calls, peer } = await rig(
      (request, response) => {
        if (request.method === "PUT") return json(response, 200, {});
        json(response, 201, {
          payload_object_id: "pob_1",
          presigned_put_url: `${peer.url}/s`,
          required_headers: { "x-amz-meta": "1" },
        });
      },
      { generation: "b" },
    );
    expect(await client.createObject({ topicId: TOPIC, bytes, contentType: "text/plain", signal: NEVER })).toEqual({
      objectId: "pob_1",
    });
    const { host: _host, connection: _connection, "user-agent": _agent, ...headers } = calls()[1]?.headers ?? {};
    expect(headers).toEqual({ "x-amz-meta": "1", "content-length": String(bytes.length) });
  });

  test("an upload the store refuses is refused, without its URL", async () => {
    const { client, peer } = await rig((request, response) => {
      if (request.method !== "PUT")
        return json(response, 201, { object_id: "o1", upload_url: `${peer.url}/store/o1?sig=s3cr3t` });
      response.writeHead(403, { "content-type": "application/xml" });
      response.end("<Error><Code>SignatureDoesNotMatch</Code></Error>");
    });
    const error = await failure(
      client.createObject({ topicId: TOPIC, bytes, contentType: "text/plain", signal: NEVER }),
    );
    expect(error).toMatchObject({ status: 403, kind: "refused" });
    expect(String(error)).not.toMatch(/s3cr3t|store\/o1/);
  });

  test("upload URLs of another kind are not followed", async () => {
    for (const url of ["file:///etc/passwd", "http://10.0.0.1/x", "not a url", "https://user:pw@store.example/x"]) {
      const { client, calls } = await rig((_request, response) =>
        json(response, 201, { object_id: "o1", upload_url: url }),
      );
      const error = await failure(
        client.createObject({ topicId: TOPIC, bytes, contentType: "text/plain", signal: NEVER }),
      );
      expect(["malformed_response", "insecure_url"]).toContain((error as { code?: unknown }).code);
      expect(calls()).toHaveLength(1);
    }
  });

  test("a pending object is not found", async () => {
    const { client } = await rig(
      (_request, response) => json(response, 404, { detail: { error: "NOT_FOUND", message: "pending" } }),
      { generation: "b" },
    );
    expect(await failure(client.objectInfo({ topicId: TOPIC, objectId: "pob_1", signal: NEVER }))).toMatchObject({
      code: "not_found",
    });
  });

  test("an object without a download URL is malformed", async () => {
    const { client } = await rig((_request, response) => json(response, 200, { object_id: "o1" }));
    expect(await failure(client.objectInfo({ topicId: TOPIC, objectId: "o1", signal: NEVER }))).toMatchObject({
      code: "malformed_response",
    });
  });
});

describe("the credential itself", () => {
  test("an invite is redeemed with the credential in the body, and the next token comes from the secret", async () => {
    const { client, calls, peer } = await rig((_request, response) =>
      json(response, 200, { topic_id: TOPIC, action: "write", grant_id: "g" }),
    );
    await client.probe(NEVER);
    expect(await client.redeemInvite("inv_code", NEVER)).toEqual({ topicId: TOPIC, action: "write" });
    expect(JSON.parse(calls()[0]?.body ?? "")).toEqual({
      invite_code: "inv_code",
      script_id: "id",
      client_secret: "the-secret",
    });
    expect(calls()[0]?.headers).not.toHaveProperty("authorization");
    await client.probe(NEVER);
    expect(peer.received.filter((request) => request.path === "/auth/token")).toHaveLength(2);
    expect(peer.received.filter((request) => request.path === "/auth/refresh")).toHaveLength(0);
  });

  test("an invite redeemed before is a conflict, and tells neither code nor secret", async () => {
    const { client } = await rig((request, response) =>
      json(response, 409, { error: { code: "CONFLICT", message: request.body } }),
    );
    const error = await failure(client.redeemInvite("inv_code", NEVER));
    expect(error).toMatchObject({ code: "conflict" });
    expect(String(error)).not.toMatch(/inv_code|the-secret/);
  });

  test("rotation asks with the old secret and gives the new one", async () => {
    const { client, peer } = await rig((_request, response) =>
      json(response, 200, { client_secret: "new-secret", access_token: "TR", expires_at: "2199-01-01T00:00:00Z" }),
    );
    expect(await client.rotateSecret(NEVER)).toBe("new-secret");
    expect(JSON.parse(peer.received[0]?.body ?? "")).toEqual({ script_id: "id", client_secret: "the-secret" });
  });

  test("generation B has neither", async () => {
    const { client, peer } = await rig((_request, response) => json(response, 200, {}), { generation: "b" });
    expect(await failure(client.rotateSecret(NEVER))).toMatchObject({ code: "invalid" });
    expect(await failure(client.redeemInvite("inv_code", NEVER))).toMatchObject({ code: "invalid" });
    expect(peer.received).toEqual([]);
  });

  test("closed, everything ends: calls, streams, and what comes after", async () => {
    const { client } = await rig((request, response) => {
      if (request.path.includes("/stream")) {
        response.writeHead(200, { "content-type": "text/event-stream" });
        response.write(":\n\n");
      }
    });
    const opened = Promise.withResolvers<void>();
    const streaming = client.stream({
      topicId: TOPIC,
      after: () => "",
      signal: NEVER,
      onOpen: opened.resolve,
      onHint: () => {},
      onDown: () => {},
    });
    await opened.promise;
    const pulling = failure(client.pull({ topicId: TOPIC, after: "", limit: 1, signal: NEVER }));
    await client.close();
    expect(await pulling).toMatchObject({ code: "stopped" });
    await streaming;
    expect(await failure(client.probe(NEVER))).toMatchObject({ code: "stopped" });
    expect(await failure(client.pull({ topicId: TOPIC, after: "", limit: 1, signal: NEVER }))).toMatchObject({
      code: "stopped",
    });
    await client.close();
  });
});
