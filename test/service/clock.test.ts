import { getEventListeners } from "node:events";
import { expect, test } from "vitest";
import { systemClock, systemSleep } from "../../src/service/clock.ts";
import { failure } from "./peer.ts";

test("a wait that is over leaves nothing on the signal (W38)", async () => {
  const { signal } = new AbortController();
  await Promise.all(Array.from({ length: 100 }, () => systemSleep(1, signal)));
  expect(getEventListeners(signal, "abort")).toHaveLength(0);
});

test("an aborted wait rejects with the reason, at once and without a timer left", async () => {
  const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
  const before = timers();
  const controller = new AbortController();
  const waiting = Array.from({ length: 20 }, () => failure(systemSleep(3_600_000, controller.signal)));
  controller.abort("enough");
  expect(new Set(await Promise.all(waiting))).toEqual(new Set(["enough"]));
  expect(await failure(systemSleep(3_600_000, controller.signal))).toBe("enough");
  expect(timers() - before).toBeLessThan(10);
});

test("a wait longer than a timer can hold does not end at once", async () => {
  const controller = new AbortController();
  let over = false;
  const waiting = failure(systemSleep(1e12, controller.signal).then(() => (over = true)));
  await systemSleep(20, new AbortController().signal);
  expect(over).toBe(false);
  controller.abort();
  await waiting;
});

test("the monotonic clock does not go back", () => {
  const first = systemClock.monotonic();
  expect(systemClock.monotonic()).toBeGreaterThanOrEqual(first);
  expect(systemClock.now()).toBeGreaterThan(1.7e12);
});
