import { expect, it } from "vitest";
import { TopicClaims } from "../../src/account/topic-claims.ts";

function reading() {
  const claims = new TopicClaims();
  const events: string[] = [];
  const read = (topic: string, accountId: string, signal: AbortSignal, work: Promise<void>) =>
    claims.read(topic, accountId, { signal, onWait: (other) => events.push(`${accountId} waits for ${other}`) }, () => {
      events.push(`${accountId} reads`);
      return work;
    });
  return { events, read };
}

const tick = () => new Promise((resolve) => setImmediate(resolve));

it("lets one account read a topic at a time, the next one when it has ended, even by a fault", async () => {
  const { events, read } = reading();
  const first = Promise.withResolvers<void>();
  const never = new AbortController().signal;
  const one = read("t", "a", never, first.promise);
  const two = read("t", "b", never, Promise.resolve());
  const elsewhere = read("u", "c", never, Promise.resolve());
  await tick();
  expect(events).toEqual(["a reads", "b waits for a", "c reads"]);
  first.reject(new Error("fault"));
  await expect(one).rejects.toThrow("fault");
  await Promise.all([two, elsewhere]);
  expect(events.at(-1)).toBe("b reads");
});

it("ends a wait that is called off, without reading", async () => {
  const { events, read } = reading();
  const first = Promise.withResolvers<void>();
  const stop = new AbortController();
  const one = read("t", "a", stop.signal, first.promise);
  const two = read("t", "b", stop.signal, Promise.resolve());
  stop.abort();
  await two;
  first.resolve();
  await one;
  expect(events).toEqual(["a reads", "b waits for a"]);
});
