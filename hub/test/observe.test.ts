import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createApp } from "../src/app.ts";
import { createMetrics } from "../src/observe/metrics.ts";
import { CONSOLE_API } from "../src/observe/openapi/console-api.ts";
import { SCRIPT_API } from "../src/observe/openapi/script-api.ts";
import { WORLD_API } from "../src/observe/openapi/world-api.ts";
import { document, startTestHub } from "./support/harness.ts";
import type { TestHub } from "./support/harness.ts";

async function metrics(hub: TestHub): Promise<string> {
  return (await fetch(`${hub.url}/metrics`)).text();
}

function sample(text: string, series: string): number {
  return Number(
    text
      .split("\n")
      .find((line) => line.startsWith(`${series} `))
      ?.slice(series.length),
  );
}

describe("the registry", () => {
  it("renders counters, gauges and cumulative histograms in the text format", () => {
    const registry = createMetrics();
    registry.counter("a_total", "Things", { kind: 'x"y\\z\n' }).inc(2);
    registry.counter("a_total", "Things", { kind: 'x"y\\z\n' }).inc();
    registry.gauge("b", "Now\nhere", () => 1.5);
    const histogram = registry.histogram("c_seconds", "Times", [1, 0.1], { route: "/" });
    for (const value of [0.05, 0.1, 0.5, 7]) histogram.observe(value);
    expect(registry.render()).toBe(
      [
        "# HELP a_total Things",
        "# TYPE a_total counter",
        String.raw`a_total{kind="x\"y\\z\n"} 3`,
        String.raw`# HELP b Now\nhere`,
        "# TYPE b gauge",
        "b 1.5",
        "# HELP c_seconds Times",
        "# TYPE c_seconds histogram",
        'c_seconds_bucket{route="/",le="0.1"} 2',
        'c_seconds_bucket{route="/",le="1"} 3',
        'c_seconds_bucket{route="/",le="+Inf"} 4',
        'c_seconds_sum{route="/"} 7.65',
        'c_seconds_count{route="/"} 4',
        "",
      ].join("\n"),
    );
  });

  it("refuses one name for two things", () => {
    const registry = createMetrics();
    registry.counter("a", "A");
    expect(() => registry.gauge("a", "A", () => 0)).toThrow(TypeError);
    expect(() => registry.counter("a b", "A")).toThrow(TypeError);
  });
});

describe("/metrics", () => {
  it("counts requests by route and status, never by id", async () => {
    const hub = await startTestHub();
    const topic = await hub.topic("t");
    const client = await hub.client("c", { read: [topic], write: [topic] });
    await client.call("POST", `/topics/${topic}/events`, { type: "t" });
    await client.call("POST", `/topics/${topic}/events`, { type: "t" });
    await client.call("POST", `/topics/${topic}/events`, "{");
    await client.call("GET", `/topics/${topic}/events`);
    await fetch(`${hub.url}/nowhere/${topic}`);
    await fetch(`${hub.url}/console/topics`);
    const text = await metrics(hub);
    const requests = (method: string, route: string, status: number) =>
      sample(text, `agentrux_hub_requests_total{method="${method}",route="${route}",status="${status}"}`);
    expect(requests("POST", "/topics/:topic_id/events", 201)).toBe(2);
    expect(requests("POST", "/topics/:topic_id/events", 400)).toBe(1);
    expect(requests("GET", "/topics/:topic_id/events", 200)).toBe(1);
    expect(requests("GET", "(none)", 404)).toBe(1);
    expect(requests("GET", "/console/topics", 401)).toBe(1);
    expect(sample(text, 'agentrux_hub_request_seconds_count{method="POST",route="/topics/:topic_id/events"}')).toBe(3);
    expect(text).not.toContain(topic);
  });

  it("tells of commits, streams, payload bytes, store size and the event loop", async () => {
    const hub = await startTestHub();
    const topic = await hub.topic("t");
    const client = await hub.client("c", { read: [topic], write: [topic] });
    const stream = await client.call("GET", `/topics/${topic}/events/stream`);
    await client.call("POST", `/topics/${topic}/events`, { type: "t" });
    const made = await document(
      await client.call("POST", `/topics/${topic}/payloads`, { content_type: "a/b", size: 4 }),
    );
    await fetch(String(made["upload_url"]), { method: "PUT", body: "1234" });
    await (await fetch(String(made["download_url"]))).text();
    const text = await metrics(hub);
    expect(sample(text, "agentrux_hub_events_stored_total")).toBe(1);
    expect(sample(text, "agentrux_hub_events_per_commit_count")).toBe(1);
    expect(sample(text, "agentrux_hub_stream_listeners")).toBe(1);
    expect(sample(text, "agentrux_hub_stream_evictions_total")).toBe(0);
    expect(sample(text, "agentrux_hub_payload_received_bytes_total")).toBe(4);
    // Counted when the last byte has left, which its reader may hear of before.
    await expect.poll(async () => sample(await metrics(hub), "agentrux_hub_payload_sent_bytes_total")).toBe(4);
    expect(sample(text, "agentrux_hub_event_loop_delay_p99_seconds")).toBeGreaterThanOrEqual(0);
    const before = sample(text, "agentrux_hub_store_bytes");
    await writeFile(join(hub.dataDir, "filler"), Buffer.alloc(100_000));
    expect(sample(await metrics(hub), "agentrux_hub_store_bytes") - before).toBeGreaterThanOrEqual(100_000);
    await stream.body?.cancel();
  });

  it("is for this machine, and with the admin token for others", async () => {
    const hub = await startTestHub();
    const forwarded = { "X-Forwarded-For": "203.0.113.7" };
    expect((await fetch(`${hub.url}/metrics`)).status).toBe(200);
    expect((await fetch(`${hub.url}/metrics`, { headers: forwarded })).status).toBe(401);
    const admin = { ...forwarded, Authorization: `Bearer ${hub.running.adminToken}` };
    expect((await fetch(`${hub.url}/metrics`, { headers: admin })).status).toBe(200);
  });
});

describe("OpenAPI", () => {
  const noted = (notes: object) => Object.keys(notes).toSorted();

  it("describes every route there is, and no other", async () => {
    const hub = await startTestHub();
    const routes = createApp(hub.running.deps)
      .routes.filter(({ method }) => method !== "ALL")
      .map(({ method, path }) => `${method} ${path.replace(/:(\w+)(\{[^}]*\})?/g, "{$1}")}`);
    expect(noted({ ...SCRIPT_API, ...WORLD_API, ...CONSOLE_API })).toEqual([...new Set(routes)].toSorted());
  });

  it("is served whole, and without the console under /script", async () => {
    const hub = await startTestHub();
    const paths = async (path: string) => {
      const api = await document(await fetch(hub.url + path));
      expect(api).toMatchObject({ openapi: "3.1.0", servers: [{ url: hub.url }] });
      return Object.keys(api["paths"] as object);
    };
    expect((await paths("/openapi.json")).filter((path) => path.startsWith("/console/"))).not.toEqual([]);
    expect((await paths("/script/openapi.json")).filter((path) => path.startsWith("/console/"))).toEqual([]);
  });

  it("names only schemas that it has, and every path parameter", async () => {
    const hub = await startTestHub();
    const text = await (await fetch(`${hub.url}/openapi.json`)).text();
    const api = JSON.parse(text) as {
      paths: Record<string, Record<string, { parameters?: { name: string; in: string }[] }>>;
      components: { schemas: Record<string, unknown> };
    };
    const named = new Set([...text.matchAll(/#\/components\/schemas\/(\w+)/g)].map(([, name]) => name));
    expect([...named].filter((name) => api.components.schemas[String(name)] === undefined)).toEqual([]);
    for (const [path, methods] of Object.entries(api.paths)) {
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      for (const { parameters = [] } of Object.values(methods)) {
        expect(parameters.filter((parameter) => parameter.in === "path").map(({ name }) => name)).toEqual(inPath);
      }
    }
  });
});
