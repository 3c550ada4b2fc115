import { appendFile, mkdir, rename, rm, writeFile } from "node:fs/promises";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { activate } from "../../src/activation/activate.ts";
import { watchAccount, type WatchOptions } from "../../src/activation/watch.ts";
import type { AccountPaths } from "../../src/credentials/home.ts";
import { formatCredentials } from "../../src/credentials/schema.ts";
import { loadCredentials, type LoadResult } from "../../src/credentials/store.ts";
import { AgentruxError } from "../../src/errors.ts";
import { systemClock, systemSleep } from "../../src/service/clock.ts";
import { temporaryAccount, until } from "../credentials/support.ts";
import { ACTIVATED, CODE_A, dropBootstrap, optionsFor, RememberingLog, ScriptedService } from "./support.ts";

const stored = {
  generation: "a",
  baseUrl: "https://x.org",
  clientId: "scr_1",
  clientSecret: "one",
  scriptId: "scr_1",
} as const;

/** Starts a watch on real time and the real disk; it is stopped, and awaited, after the test. */
function startWatch(paths: AccountPaths, overrides: Partial<WatchOptions> = {}) {
  const stop = new AbortController();
  const told: LoadResult[] = [];
  const onBootstrap = vi.fn<() => Promise<void>>(async () => {
    await rm(paths.bootstrap);
  });
  const done = watchAccount({
    paths,
    known: undefined,
    onBootstrap,
    onCredentials: async (loaded) => {
      told.push(loaded);
    },
    clock: systemClock,
    sleep: systemSleep,
    random: Math.random,
    log: new RememberingLog(),
    signal: stop.signal,
    ...overrides,
  });
  onTestFinished(async () => {
    stop.abort();
    await done;
  });
  return { onBootstrap, told, stop, done };
}

async function pause(ms: number): Promise<void> {
  await systemSleep(ms, new AbortController().signal);
}

describe("a bootstrap file dropped while the gateway runs", () => {
  it("is activated without a restart", async () => {
    const paths = await temporaryAccount();
    await mkdir(paths.dir, { recursive: true });
    const service = new ScriptedService(ACTIVATED);
    const options = optionsFor(paths, service);
    startWatch(paths, {
      onBootstrap: async () => {
        await activate(options);
      },
    });
    await pause(300);
    await dropBootstrap(paths);
    await until(async () => expect((await loadCredentials(paths)).kind).toBe("ok"));
    expect(service.calls).toHaveLength(1);
  });

  it("is noticed also where the folder appears later", async () => {
    const paths = await temporaryAccount();
    const { onBootstrap } = startWatch(paths);
    await pause(100);
    await dropBootstrap(paths);
    await until(() => expect(onBootstrap).toHaveBeenCalledTimes(1));
  });

  it.each([
    ["empty", ""],
    ["still being written", "line\n"],
  ])("is left alone while it is %s", async (_name, piece) => {
    const paths = await temporaryAccount();
    await mkdir(paths.dir, { recursive: true });
    await writeFile(paths.bootstrap, piece);
    const time = simulated();
    let waits = 0;
    const { onBootstrap, stop, done } = startWatch(paths, {
      ...time,
      sleep: async (ms, signal) => {
        await time.sleep(ms, signal);
        if (++waits <= 12) await appendFile(paths.bootstrap, waits === 12 ? CODE_A : piece);
      },
    });
    onBootstrap.mockImplementation(async () => {
      expect(waits).toBeGreaterThan(12);
      stop.abort();
    });
    await done;
    expect(onBootstrap).toHaveBeenCalledTimes(1);
  });
});

/** A watch in which waiting takes no time: `clock` moves as `sleep` is called. */
function simulated() {
  let time = 0;
  const sleep = async (ms: number, signal: AbortSignal) => {
    signal.throwIfAborted();
    time += ms;
    // Lets file system work of the watched code and of the test go on.
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { clock: { now: () => time, monotonic: () => time }, sleep, elapsed: () => time };
}

describe("a bootstrap file whose activation fails", () => {
  it("is tried again after a growing wait and never sooner than the service asks", async () => {
    const paths = await temporaryAccount();
    await dropBootstrap(paths);
    const time = simulated();
    const tries: number[] = [];
    const { stop, done } = startWatch(paths, {
      ...time,
      random: () => 0.999,
      onBootstrap: async () => {
        tries.push(time.elapsed());
        if (tries.length === 4) stop.abort();
        const retryAfterMs = tries.length === 1 ? 60_000 : undefined;
        throw new AgentruxError("server_error", "down", { retryable: true, ...(retryAfterMs && { retryAfterMs }) });
      },
    });
    await done;
    const gaps = tries.slice(1).map((at, index) => at - (tries[index] ?? 0));
    expect(gaps[0]).toBeGreaterThanOrEqual(60_000);
    expect(gaps[1]).toBeGreaterThanOrEqual(3_900);
    expect(gaps[2]).toBeGreaterThanOrEqual(7_900);
    expect(gaps[2]).toBeLessThan(12_000);
  });

  it("is tried at once when a person writes another one", async () => {
    const paths = await temporaryAccount();
    await dropBootstrap(paths);
    const time = simulated();
    const tries: number[] = [];
    const { stop, done } = startWatch(paths, {
      ...time,
      onBootstrap: async () => {
        tries.push(time.elapsed());
        if (tries.length === 2) stop.abort();
        await writeFile(`${paths.dir}/other`, `another ${CODE_A}`);
        await rename(`${paths.dir}/other`, paths.bootstrap);
        throw new AgentruxError("rate_limited", "later", { retryable: true, retryAfterMs: 3_600_000 });
      },
    });
    // The look that failed is the old file's; the new one is another file.
    await done;
    expect((tries[1] ?? Infinity) - (tries[0] ?? 0)).toBeLessThan(10_000);
  });
});

describe("credentials.json replaced on disk", () => {
  it("is told once, with what it says now, and not when only touched", async () => {
    const paths = await temporaryAccount();
    await mkdir(paths.dir, { recursive: true, mode: 0o700 });
    await writeFile(paths.credentials, formatCredentials(stored), { mode: 0o600 });
    const { told } = startWatch(paths, { known: stored });
    await pause(400);
    await writeFile(paths.credentials, formatCredentials(stored), { mode: 0o600 });
    await pause(400);
    expect(told).toEqual([]);
    await writeFile(paths.credentials, formatCredentials({ ...stored, clientSecret: "two" }), { mode: 0o600 });
    await until(() => expect(told).toHaveLength(1));
    expect(told[0]).toMatchObject({ kind: "ok", credentials: { clientSecret: "two" } });
    await rm(paths.credentials);
    await until(() => expect(told).toHaveLength(2));
    expect(told[1]).toMatchObject({ kind: "missing" });
  });

  it("is told when it appears where there were none", async () => {
    const paths = await temporaryAccount();
    const { told } = startWatch(paths);
    await pause(200);
    expect(told).toEqual([]);
    await mkdir(paths.dir, { recursive: true, mode: 0o700 });
    await writeFile(paths.credentials, formatCredentials(stored), { mode: 0o600 });
    await until(() => expect(told).toMatchObject([{ kind: "ok" }]));
  });
});

describe("the end of a watch", () => {
  it("leaves no listener on the signal and no timer running", async () => {
    const paths = await temporaryAccount();
    await dropBootstrap(paths);
    const stop = new AbortController();
    const added = vi.spyOn(stop.signal, "addEventListener");
    const removed = vi.spyOn(stop.signal, "removeEventListener");
    const time = simulated();
    let looks = 0;
    await startWatch(paths, {
      ...time,
      signal: stop.signal,
      onBootstrap: async () => {
        if (++looks === 50) stop.abort();
      },
    }).done;
    expect(added.mock.calls.length).toBeGreaterThan(0);
    expect(removed.mock.calls.length).toBeGreaterThanOrEqual(added.mock.calls.length);
  });
});
