/** Servers that send what no server should: the watch neither falls nor hangs, and is right again with the next one. */

import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { WebSocketServer, type WebSocket } from "../../hub/test/world/support/sockets.ts";
import { readFrame } from "../../src/flux/watch/frames.ts";
import { said, tempFolder, until, WatchDesk } from "./support/watching.ts";

vi.setConfig({ testTimeout: 120_000 });

type Properties = Readonly<Record<string, unknown>>;

/** Speaks the hub's words from a script; the world is what `world` holds. */
class FakeHub {
  readonly world = new Map<string, Properties>([["lab/a", { t: 1 }]]);
  connections = 0;
  #version = 0;
  readonly #sockets = new WebSocketServer({ noServer: true });
  readonly #http: Server;

  private constructor() {
    this.#http = createServer((_request, response) => response.writeHead(404).end("{}"));
    this.#http.on("upgrade", (request, socket, head) => {
      this.#sockets.handleUpgrade(request, socket, head, (ws) => this.#welcome(ws));
    });
  }

  static async start(): Promise<FakeHub> {
    const hub = new FakeHub();
    await new Promise<void>((resolve) => hub.#http.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => {
      for (const ws of hub.#sockets.clients) ws.terminate();
      hub.#http.closeAllConnections();
      hub.#http.close();
    });
    return hub;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#http.address() as AddressInfo).port}`;
  }

  #welcome(ws: WebSocket): void {
    this.connections += 1;
    ws.on("error", () => ws.terminate());
    ws.on("message", (data: Buffer) => {
      const { type, ...asked } = JSON.parse(data.toString()) as { type: string; prefix: string; snapshot?: boolean };
      const cursor = `log-${this.#version}`;
      if (type !== "subscribe") return;
      const subscription = { prefix: asked.prefix };
      ws.send(JSON.stringify({ type: "subscribed", subscription, cursor }));
      const entities = [...this.world].map(([id, properties]) => ({
        id,
        properties,
        lastUpdated: "2026-01-01T00:00:00Z",
      }));
      if (asked.snapshot === true) {
        ws.send(JSON.stringify({ type: "snapshot", subscription, entities, more: false, cursor }));
        return;
      }
      ws.send(JSON.stringify({ type: "resync", reason: "resumed", cursor }));
      for (const entity of entities) ws.send(JSON.stringify({ type: "entity_state", entity, cursor }));
      ws.send(JSON.stringify({ type: "synced", cursor }));
    });
  }

  /** Without a goodbye, as a machine that dies. */
  drop(): void {
    for (const ws of this.#sockets.clients) ws.terminate();
  }

  say(frame: string | Buffer): void {
    for (const ws of this.#sockets.clients) ws.send(frame);
  }

  set(id: string, changes: Properties, silently = false): void {
    this.world.set(id, { ...this.world.get(id), ...changes });
    this.#version += 1;
    const rest = { removed: [], version: this.#version, timestamp: "2026-01-01T00:00:00Z", eventId: "e", stream: "s" };
    const frame = {
      type: "entity_update",
      entity_id: id,
      changes,
      ...rest,
      source: "x",
      cursor: `log-${this.#version}`,
    };
    if (!silently) this.say(JSON.stringify(frame));
  }
}

const deep = `{"type":"entity_update","changes":${"[".repeat(100_000)}${"]".repeat(100_000)}}`;
const HOSTILE: readonly (readonly [string, string | Buffer])[] = [
  ["no JSON", "{"],
  ["no object", "7"],
  ["no type", "{}"],
  ["bytes", Buffer.from([1, 2, 3])],
  ["an update without changes", '{"type":"entity_update","entity_id":"lab/a"}'],
  ["changes that are none", deep],
  ["a snapshot of nonsense", '{"type":"snapshot","subscription":{},"entities":[1],"more":false,"cursor":"c"}'],
  ["a stock server's deletion", '{"type":"entity_deleted","entity_id":"lab/a","timestamp":"x"}'],
  ["an error", '{"type":"error","error":"no"}'],
];

describe("a message of the server", () => {
  it.each(HOSTILE)("that is %s ends the connection, and what it hid is told by the next", async (_name, frame) => {
    const hub = await FakeHub.start();
    const desk = await WatchDesk.start(await tempFolder(), hub.url);
    await desk.ready();
    hub.set("lab/a", { t: 2 }, true);
    hub.say(frame);
    expect(said(await desk.untilTold(1))).toEqual([
      { entity: "lab/a", event: "changed", before: { t: 1 }, after: { t: 2 } },
    ]);
    expect(hub.connections).toBeGreaterThan(1);
  });

  it("of a kind nobody knows, or about others, is passed over", async () => {
    const hub = await FakeHub.start();
    const desk = await WatchDesk.start(await tempFolder(), hub.url);
    await desk.ready();
    hub.say('{"type":"weather","sky":"clear"}');
    hub.set("elsewhere/a", { t: 1 });
    hub.set("lab/a", JSON.parse('{"__proto__":{"x":1},"toString":2,"":3}') as Properties);
    const [told] = await desk.untilTold(1);
    expect([told?.entity, told?.after?.["toString"], told?.after?.[""]]).toEqual(["lab/a", 2, 3]);
    expect(hub.connections).toBe(1);
  });

  it("with values of any depth and size is borne", async () => {
    const hub = await FakeHub.start();
    const desk = await WatchDesk.start(await tempFolder(), hub.url);
    await desk.ready();
    hub.world.set("lab/a", { t: 1, nested: 1, text: "x".repeat(5_000_000) });
    const nested = `${"[".repeat(50_000)}1${"]".repeat(50_000)}`;
    const rest = '"removed":[],"version":9,"timestamp":"t","eventId":"e","stream":"s","source":"x","cursor":"log-9"';
    const text = JSON.stringify("x".repeat(5_000_000));
    hub.say(`{"type":"entity_update","entity_id":"lab/a","changes":{"nested":${nested},"text":${text}},${rest}}`);
    const [told] = await desk.untilTold(1);
    expect(JSON.stringify(told).length).toBeLessThan(5_000);
    hub.set("lab/a", { t: 2 });
    expect((await desk.untilTold(2))[1]).toMatchObject({ before: { t: 1 }, after: { t: 2 } });
  });

  it("that is too large ends the connection before it is read", async () => {
    const hub = await FakeHub.start();
    const desk = await WatchDesk.start(await tempFolder(), hub.url);
    await desk.ready();
    hub.say(`{"type":"weather","x":"${"x".repeat(65 * 1024 * 1024)}"}`);
    await until("another connection", () => hub.connections === 2);
    await desk.ready();
    hub.set("lab/a", { t: 2 });
    expect(await desk.untilTold(1)).toMatchObject([{ before: { t: 1 }, after: { t: 2 } }]);
  });
});

it("says of a connection that ends without a word that it broke", async () => {
  const hub = await FakeHub.start();
  const desk = await WatchDesk.start(await tempFolder(), hub.url);
  await desk.ready();
  hub.drop();
  await until("the trouble is told", () => desk.lines.some((line) => line.includes("is interrupted")));
  expect(desk.lines).toContain(`[agentrux] Watching ${hub.url} is interrupted: the connection broke`);
});

it("finds a kind for any text", () => {
  for (const text of ["", "null", "[]", '"x"', '{"type":"pong"}', '{"type":"synced","cursor":1}']) {
    expect(readFrame(text).kind).toBe("malformed");
  }
  expect(readFrame('{"type":"pong","cursor":"c","more":1}')).toMatchObject({ kind: "explicit" });
  expect(readFrame('{"type":"entity_deleted","entity_id":"x","timestamp":"t"}').kind).toBe("stock");
  expect(readFrame('{"type":"toString"}').kind).toBe("other");
});
