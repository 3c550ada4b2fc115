/** The client of a world-state server: ids that addresses do not like, conflicts, refusals, and what a stock server lacks. */

import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import type { FluxEventRequest } from "agentrux-wire";
import { createFluxClient, type FluxClient } from "../../src/flux/client.ts";
import { batchFailureCode } from "../../src/flux/refusals.ts";
import { failure, startPeer, type Answerer } from "../service/peer.ts";
import { never, World } from "../tools/flux/support.ts";
import { startStock } from "../tools/flux/stock.ts";

function event(
  id: string,
  properties: Record<string, unknown>,
  more: Partial<FluxEventRequest> = {},
): FluxEventRequest {
  const payload = { entity_id: id, properties };
  return { stream: "sensors", source: "test", timestamp: 1_764_470_659_000, payload, ...more };
}

async function fake(answer: Answerer): Promise<FluxClient> {
  const peer = await startPeer(answer);
  const client = createFluxClient({ url: peer.url, token: "the-namespace-token" });
  onTestFinished(async () => {
    await client.close();
    await peer.close();
  });
  return client;
}

const HOSTILE_IDS = [
  "lab/a#b",
  "lab/a?b",
  "lab/50%25",
  "lab/a%2Fb",
  "lab/..",
  "lab/.",
  "lab/{a,b}",
  "lab/[1-3]",
  "lab/a b",
  "lab/a&namespace=other",
  "lab/a+b",
  "lab/ü/漢字".replace("/漢", "漢"),
  'lab/"quoted"',
  "lab/\\",
  "lab/a\nb",
  "lab/-n",
  "lab/delete",
  "lab/;x",
  "lab/🦀",
  "lab/@file",
];

describe("a hub that asks for no tokens", () => {
  let world: World;
  let client: FluxClient;
  beforeAll(async () => {
    world = await World.open(false);
    client = createFluxClient({ url: world.hub.url });
  });
  afterAll(async () => {
    await client.close();
    await world.close();
  });

  it.each([...HOSTILE_IDS, "..", ".", "delete", "../../admin", "a/b/c", "/"])("reaches %j, exactly", async (id) => {
    await client.publish(event("lab/a", { bystander: true }), never());
    await client.publish(event(id, { is: id }), never());
    expect(await client.entity(id, never())).toMatchObject({ id, properties: { is: id } });
    await client.deleteMany({ entity_ids: [id] }, never());
    expect(await client.entity(id, never())).toBeUndefined();
    expect(await client.entity("lab/a", never())).toMatchObject({ properties: { bystander: true } });
  });

  it("does not send a deletion to where dots in an address would lead", async () => {
    expect(await failure(client.delete("..", never()))).toMatchObject({ code: "invalid", kind: "local" });
    expect(await client.delete("lab/..", never())).toMatchObject({ entity_id: "lab/.." });
  });

  it("has versions, in answers and in conflicts", async () => {
    const first = await client.publish(event("lab/v", { n: 1 }), never());
    expect(first.version).toBe((await client.entity("lab/v", never()))?.version);
    const second = await client.publish(event("lab/v", { n: 2 }, { expectedVersion: first.version ?? -1 }), never());
    expect(second.version).toBeGreaterThan(first.version ?? Number.NaN);
    const stale = await failure(
      client.publish(event("lab/v", { n: 3 }, { expectedVersion: first.version ?? -1 }), never()),
    );
    expect(stale).toMatchObject({ code: "conflict", kind: "refused", status: 409, serviceCode: "CONFLICT" });
    expect(stale).toMatchObject({
      details: { version: second.version, entity: { id: "lab/v", properties: { n: 2 } } },
    });
    const absent = await failure(client.publish(event("lab/none", { n: 3 }, { expectedVersion: 7 }), never()));
    expect(absent).toMatchObject({ code: "conflict", details: { version: 0, entity: undefined } });
  });

  it("has no version for what changed nothing", async () => {
    const published = await client.publish(event("lab/nothing", {}), never());
    expect(published.version).toBeUndefined();
    expect(published.warning).toContain("changes nothing");
  });

  it("is known to have the additions", async () => {
    expect(await client.extended(never())).toBe(true);
  });
});

describe("a hub that asks for tokens", () => {
  let world: World;
  beforeAll(async () => {
    world = await World.open(true);
  });
  afterAll(() => world.close());

  const as = (token: string | undefined): FluxClient => {
    const client = createFluxClient({ url: world.hub.url, ...(token === undefined ? {} : { token }) });
    onTestFinished(() => client.close());
    return client;
  };

  it("tells no token, and refuses a batch without one as a whole", async () => {
    const client = as(undefined);
    const told = { code: "unauthorized", status: 401, kind: "refused", retryable: false };
    expect(await failure(client.publish(event("lab/x", { a: 1 }), never()))).toMatchObject(told);
    expect(await failure(client.publishBatch([event("lab/x", { a: 1 })], never()))).toMatchObject(told);
  });

  it.each([
    ["another namespace's token", "other", "lab/x", "forbidden", 403],
    ["no namespace in the id", "lab", "x", "invalid", 401],
    ["two slashes", "lab", "lab/a/b", "invalid", 401],
    ["an empty name", "lab", "lab/", "invalid", 401],
    ["a namespace that is not there", "lab", "nowhere/x", "not_found", 401],
  ] as const)("tells %s", async (_what, whose, id, code, status) => {
    const client = as(world.tokens[whose]);
    const error = await failure(client.publish(event(id, { a: 1 }), never()));
    expect(error).toMatchObject({ code, status, kind: "refused", retryable: false });
    const answer = await client.publishBatch([event(id, { a: 1 })], never());
    expect(batchFailureCode(answer.results[0]?.error ?? "")).toBe(code);
  });

  it("looks as anybody with no token at all", async () => {
    const hidden = as(world.tokens.hidden);
    await hidden.publish(event("hidden/z", { a: 1 }), never());
    expect(await hidden.anybody.entity("hidden/z", never())).toBeUndefined();
    expect((await hidden.anybody.list({ namespace: "hidden" }, never())).items).toEqual([]);
    expect((await hidden.anybody.history({ entity: "hidden/z" }, never())).items).toEqual([]);
    expect((await hidden.history({ entity: "hidden/z" }, never())).items).toHaveLength(1);
  });

  it("shows a private namespace to its owner only", async () => {
    await as(world.tokens.hidden).publish(event("hidden/x", { a: 1 }), never());
    expect(await as(world.tokens.hidden).entity("hidden/x", never())).toMatchObject({ id: "hidden/x" });
    expect(await as(world.tokens.lab).entity("hidden/x", never())).toBeUndefined();
  });
});

describe("a stock server", () => {
  it("is known not to have the additions, each time it is asked", async () => {
    const stock = await startStock();
    const client = createFluxClient({ url: stock.url });
    onTestFinished(async () => {
      await client.close();
      await stock.close();
    });
    stock.entities.set("lab/x", { properties: {}, lastUpdated: "2026-11-01T00:00:00+00:00" });
    expect([await client.extended(never()), await client.extended(never())]).toEqual([false, false]);
    expect(stock.received.length).toBe(2);
  });

  it.each(["delete", ".", ".."])("gives %j by the listing", async (id) => {
    const stock = await startStock();
    const client = createFluxClient({ url: stock.url });
    onTestFinished(async () => {
      await client.close();
      await stock.close();
    });
    expect(await client.entity(id, never())).toBeUndefined();
    for (const one of [id, `${id}d`])
      stock.entities.set(one, { properties: { one }, lastUpdated: "2026-11-01T00:00:00+00:00" });
    expect(await client.entity(id, never())).toMatchObject({ id, properties: { one: id } });
    // No request may have gone to an address that a reader resolves to another one.
    for (const { path } of stock.received) expect(path.split("?")[0]).not.toMatch(/\/\.\.?$/);
  });

  it("says what it refuses once, in its own words", async () => {
    const client = await fake((_request, response) => {
      response.writeHead(401, { "content-type": "application/json" });
      response.end(JSON.stringify({ error: "Authorization token is empty" }));
    });
    const error = (await failure(client.publish(event("a", { b: 1 }), never()))) as Error;
    expect(error.message).toBe("POST /api/events: HTTP 401: Authorization token is empty");
  });
});

describe("what is no Flux server", () => {
  const page =
    (status: number): Answerer =>
    (_request, response) => {
      response.writeHead(status, { "content-type": "text/html" });
      response.end("<html><title>Welcome</title></html>");
    };

  it.each([
    [404, "gateway_page", "refused"],
    [403, "gateway_page", "refused"],
    [302, "gateway_page", "refused"],
    [502, "server_error", "unknown"],
    [200, "malformed_response", "unknown"],
  ] as const)("a page with status %i is no entity, no absence and no listing", async (status, code, kind) => {
    const client = await fake(page(status));
    for (const work of [
      client.entity("a", never()),
      client.list({}, never()),
      client.publish(event("a", { b: 1 }), never()),
    ]) {
      expect(await failure(work)).toMatchObject({ code, kind });
    }
  });

  it("that answers 400 with a page is not taken for one with additions", async () => {
    const client = await fake(page(400));
    expect(await failure(client.extended(never()))).toMatchObject({ code: "invalid" });
  });

  it("repeats no token that it echoes", async () => {
    const client = await fake((request, response) => {
      response.writeHead(403, { "content-type": "application/json" });
      response.end(JSON.stringify({ error: `not for ${request.headers.authorization}` }));
    });
    const error = (await failure(client.publish(event("a", { b: 1 }), never()))) as Error;
    expect(error.message).not.toContain("the-namespace-token");
  });
});
