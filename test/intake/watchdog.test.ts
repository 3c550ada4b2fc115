import { getEventListeners } from "node:events";
import { describe, expect, it } from "vitest";
import { withWatchdog } from "../../src/intake/watchdog.ts";
import { ManualTime } from "./support.ts";

describe("withWatchdog", () => {
  it("passes on what the work gives or throws, and leaves nothing behind", async () => {
    const time = new ManualTime();
    const { signal } = new AbortController();
    const ports = { sleep: time.sleep, signal };
    expect(await withWatchdog(async () => 7, 1_000, ports)).toBe(7);
    await expect(withWatchdog(() => Promise.reject(new Error("no")), 1_000, ports)).rejects.toThrow("no");
    expect(getEventListeners(signal, "abort")).toHaveLength(0);
    expect(time.waiting).toBe(0);
  });

  it("cuts off, and does not wait for, work that takes too long", async () => {
    const time = new ManualTime();
    let given: AbortSignal | undefined;
    const deaf = (signal: AbortSignal) => {
      given = signal;
      return new Promise<never>(() => {});
    };
    const watched = withWatchdog(deaf, 1_000, { sleep: time.sleep, signal: new AbortController().signal });
    time.advance(1_000);
    await expect(watched).rejects.toMatchObject({ code: "timeout", kind: "unknown", retryable: true });
    expect(given?.aborted).toBe(true);
  });

  it("ends with its signal, and does not begin after it", async () => {
    const time = new ManualTime();
    const stop = new AbortController();
    const ports = { sleep: time.sleep, signal: stop.signal };
    const watched = withWatchdog(() => new Promise<never>(() => {}), 1_000, ports);
    stop.abort(new Error("stopped"));
    await expect(watched).rejects.toThrow("stopped");
    let began = false;
    const work = async () => {
      began = true;
    };
    await expect(withWatchdog(work, 1_000, ports)).rejects.toThrow("stopped");
    expect(began).toBe(false);
  });
});
