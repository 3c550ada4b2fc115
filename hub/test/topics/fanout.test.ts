import { createServer, get } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { noMetrics } from "../../src/runtime.ts";
import type { HintEvent } from "../../src/store/port.ts";
import { StreamFanout } from "../../src/topics/fanout.ts";
import type { ListenerOptions, StreamSink } from "../../src/topics/fanout.ts";
import { streamDialectA } from "../../src/topics/stream-frames.ts";

const TOPIC = "11111111-1111-4111-8111-111111111111";

class FakeSink implements StreamSink {
  readonly frames: string[] = [];
  readonly buffers: Uint8Array[] = [];
  writableLength = 0;
  outcome = "open";
  write(frame: Uint8Array): void {
    this.buffers.push(frame);
    this.frames.push(Buffer.from(frame).toString());
  }
  end(): void {
    this.outcome = "ended";
  }
  destroy(): void {
    this.outcome = "destroyed";
  }
}

const hintEvent = (seq: number, producer = "scr_other"): HintEvent => ({
  seq,
  eventId: TOPIC,
  type: "t",
  payloadKind: "inline",
  storedAt: 0,
  producer,
});

function bench() {
  const clock = { nowMs: 0, now: () => clock.nowMs };
  const fanout = new StreamFanout({ clock, metrics: noMetrics, keepAliveMs: 1000, maxPendingBytes: 100 });
  const listen = (options: Partial<ListenerOptions> = {}) => {
    const sink = new FakeSink();
    const listener = fanout.add({
      topicId: TOPIC,
      scriptId: "scr_me",
      credentialId: "crd_me",
      excludeSelf: false,
      expiresAt: 10_000,
      dialect: streamDialectA,
      sink,
      ...options,
    });
    return { sink, listener };
  };
  return { clock, fanout, listen };
}

describe("StreamFanout", () => {
  it("encodes a frame once and shares it among listeners", () => {
    const { fanout, listen } = bench();
    const [a, b] = [listen(), listen()];
    fanout.publish({ topicId: TOPIC, newest: hintEvent(1) });
    expect(a.sink.buffers[0]).toBe(b.sink.buffers[0]);
    expect(a.sink.frames).toHaveLength(1);
  });

  it("gives a listener that excludes itself the newest event of another, or nothing", () => {
    const { fanout, listen } = bench();
    const { sink } = listen({ excludeSelf: true });
    fanout.publish({ topicId: TOPIC, newest: hintEvent(1, "scr_me") });
    expect(sink.frames).toEqual([]);
    fanout.publish({ topicId: TOPIC, newest: hintEvent(4, "scr_me"), newestByOther: hintEvent(3) });
    fanout.publish({ topicId: TOPIC, newest: hintEvent(5) });
    expect(sink.frames.map((frame) => frame.split("\n")[0])).toEqual(["id: 3", "id: 5"]);
  });

  it("never goes back: an older hint after a newer one is left out", () => {
    const { fanout, listen } = bench();
    const { sink, listener } = listen();
    fanout.publish({ topicId: TOPIC, newest: hintEvent(7) });
    listener.hint(hintEvent(6));
    listener.hint(hintEvent(7));
    expect(sink.frames).toHaveLength(1);
  });

  it("keeps alive after silence only", () => {
    const { clock, fanout, listen } = bench();
    const { sink } = listen();
    clock.nowMs = 999;
    fanout.tick();
    expect(sink.frames).toEqual([]);
    fanout.publish({ topicId: TOPIC, newest: hintEvent(1) });
    clock.nowMs = 1500;
    fanout.tick();
    expect(sink.frames).toHaveLength(1);
    clock.nowMs = 1999;
    fanout.tick();
    expect(sink.frames.at(-1)).toBe(": keep-alive\n\n");
  });

  it("ends a stream at the moment its token expires, and writes nothing after", () => {
    const { clock, fanout, listen } = bench();
    const { sink, listener } = listen({ expiresAt: 5000 });
    clock.nowMs = 5000;
    fanout.tick();
    expect(sink.outcome).toBe("ended");
    const written = sink.frames.length;
    listener.hint(hintEvent(1));
    fanout.publish({ topicId: TOPIC, newest: hintEvent(2) });
    expect(sink.frames).toHaveLength(written);
    expect(fanout.size).toBe(0);
  });

  it("cuts off a listener with too much unsent, and the others stay", () => {
    const { fanout, listen } = bench();
    const [slow, quick] = [listen(), listen()];
    slow.sink.writableLength = 101;
    quick.sink.writableLength = 100;
    fanout.publish({ topicId: TOPIC, newest: hintEvent(1) });
    fanout.publish({ topicId: TOPIC, newest: hintEvent(2) });
    expect([slow.sink.outcome, slow.sink.frames.length]).toEqual(["destroyed", 1]);
    expect([quick.sink.outcome, quick.sink.frames.length]).toEqual(["open", 2]);
    expect(fanout.size).toBe(1);
  });

  it("cuts off a real client that has stopped reading", async () => {
    const clock = { now: () => 0 };
    const fanout = new StreamFanout({ clock, metrics: noMetrics, keepAliveMs: 1000, maxPendingBytes: 64 * 1024 });
    const server = createServer((_request, response) => {
      response.writeHead(200, { "Content-Type": "text/event-stream" }).flushHeaders();
      const own = { scriptId: "s", credentialId: "c", excludeSelf: false };
      const options = { topicId: TOPIC, expiresAt: 1, dialect: streamDialectA, ...own };
      fanout.add({ ...options, sink: response });
    });
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const request = get({ port, host: "127.0.0.1" }, (response) => response.pause());
    request.on("error", () => undefined);
    onTestFinished(() => void request.destroy());
    await expect.poll(() => fanout.size).toBe(1);
    for (let seq = 1; fanout.size > 0; seq += 1) {
      fanout.publish({ topicId: TOPIC, newest: hintEvent(seq) });
      if (seq % 1000 === 0) await new Promise((done) => setImmediate(done));
    }
    expect(fanout.size).toBe(0);
  });

  it("may be asked to remove a listener twice", () => {
    const { fanout, listen } = bench();
    const { listener } = listen();
    listen();
    listener.remove();
    listener.remove();
    expect(fanout.size).toBe(1);
  });
});
