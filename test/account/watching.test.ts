/** Watches of a whole account on a real hub: a change of the world becomes a turn like any other, and nothing is answered. */

import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { actOnDeadLetter, inbox, listDeadLetters, showDeadLetter } from "../../src/cli/journal.ts";
import { watchOf, type Writer, writer } from "../flux/support/watching.ts";
import { echo, Place, type Running, type Turn, until } from "./support.ts";

const QUICK = { debounceMs: 0, cooldownSeconds: 0 };

let place: Place;
let others: Writer;

beforeEach(async () => {
  place = await Place.create();
  others = writer(place.hub.url);
  await others.set("lab/a", { t: 1 });
  await place.drop(await place.code());
});
afterEach(() => place.close());

const flux = (watch: object = {}) => ({ flux: { watch: [{ id: "lab", prefix: "lab/", ...QUICK, ...watch }] } });

async function start(turn: Turn = echo, settings: object = flux()): Promise<Running> {
  const running = place.start(turn, settings);
  await running.ready();
  await until("it watches", () => running.account?.watches.list().every(({ state }) => state === "watching") === true);
  return running;
}

/** What turns of watches were told, in order. */
const told = (running: Running): string[] =>
  running.turns.flatMap(({ command }) => (command.watch === undefined ? [] : [command.message]));

const idle = (running: Running) => until("all is done", () => running.account?.health()["backlog"] === 0);

describe("a watch of an account", () => {
  it("starts a turn with what changed, beside commands, and publishes no reply", async () => {
    const running = await start();
    await others.set("lab/a", { t: 2 });
    await until("a turn", () => told(running).length === 1);
    await place.publish({ request_id: "r", message: "hello" });
    expect(await place.reply("r")).toMatchObject({ message: "echo: hello" });
    await idle(running);
    const [turn] = running.turns;
    expect(turn?.command).toMatchObject({
      watch: "lab",
      topicId: "flux:lab",
      isNotice: true,
      hops: 0,
      attachments: [],
    });
    expect(JSON.parse(turn?.command.message ?? "")).toMatchObject({
      entity: "lab/a",
      before: { t: 1 },
      after: { t: 2 },
    });
    expect(await place.replies()).toHaveLength(1);
    expect(running.account?.health()).toMatchObject({
      watches: 1,
      watchesConnected: true,
      watchedEntities: 1,
      watchedChangesHeld: 0,
      watchTurns: 1,
      deadLetters: 0,
    });
    const metrics = new Map((await running.account?.metrics())?.map(({ name, samples }) => [name, samples[0]?.value]));
    expect(metrics.get("agentrux_watch_turns_total")).toBe(1);
    expect(metrics.get("agentrux_watched_entities")).toBe(1);
  });

  it("tells together what changes while its turn runs, after it", async () => {
    const gate = Promise.withResolvers<void>();
    const running = await start(() => gate.promise.then(() => ({ kind: "silent" })));
    await others.set("lab/a", { t: 2 });
    await until("a turn", () => told(running).length === 1);
    for (const n of [3, 4, 5]) {
      await others.set("lab/a", { t: n });
      await others.set(`lab/${n}`, { t: n });
    }
    await until("they are held", () => running.account?.health()["watchedChangesHeld"] === 4);
    expect(told(running)).toHaveLength(1);
    gate.resolve();
    await until("another turn", () => told(running).length === 2);
    await idle(running);
    expect(told(running)[1]?.split("\n")).toHaveLength(4);
  });

  it("takes up after a restart what came meanwhile, and repeats nothing", async () => {
    const first = await start();
    await others.set("lab/a", { t: 2 });
    await until("the first", () => told(first).length === 1);
    await idle(first);
    await first.stop();
    await others.set("lab/a", { t: 3 });
    const second = await start();
    await until("the other", () => told(second).length === 1);
    await idle(second);
    expect(JSON.parse(told(second)[0] ?? "")).toMatchObject({ before: { t: 2 }, after: { t: 3 } });
  });

  it("tries a failing turn again, then keeps it as a dead letter, which can be looked at and replayed", async () => {
    let works = false;
    const running = await start(() => Promise.resolve(works ? { kind: "silent" } : { kind: "failed", reason: "no" }), {
      ...flux(),
      maxAttempts: 2,
    });
    await others.set("lab/a", { t: 2 });
    await until("a dead letter", () => running.account?.health()["deadLetters"] === 1);
    expect(told(running)).toHaveLength(2);
    const { json } = await listDeadLetters(place.paths, Date.now());
    const [letter] = (json as { deadLetters: { id: number; topicId: string }[] }).deadLetters;
    expect(letter).toMatchObject({ topicId: "flux:lab", kind: "turn" });
    const shown = await showDeadLetter(place.paths, letter?.id ?? 0);
    expect(shown.lines.join("\n")).toContain("topicId: flux:lab");
    works = true;
    await running.stop();
    const again = await start(echo);
    expect(await actOnDeadLetter(place.paths, "replay", letter?.id ?? 0)).toMatchObject({ exitCode: 0 });
    await until("it runs again", () => told(again).length === 1);
    await idle(again);
    expect(await place.replies()).toEqual([]);
  });

  it("is in the inbox under its own name", async () => {
    const gate = Promise.withResolvers<void>();
    const running = await start(() => gate.promise.then(() => ({ kind: "silent" })));
    await others.set("lab/a", { t: 2 });
    await until("a turn", () => told(running).length === 1);
    const { lines, json } = await inbox(place.paths, Date.now());
    expect(json).toMatchObject({ running: 1, commands: [{ producer: "flux:lab", state: "running" }] });
    expect(lines.join("\n")).toContain("flux:lab");
    gate.resolve();
  });

  it("does not wake the agent by what its own client writes", async () => {
    const running = await start();
    const payload = { entity_id: "lab/a", properties: { t: 9 } };
    const event = { stream: "s", source: "me", timestamp: Date.now(), payload };
    await running.account?.world?.publish(event, AbortSignal.timeout(10_000));
    await others.set("lab/a", { u: 1 });
    await until("a turn", () => told(running).length === 1);
    await idle(running);
    expect(told(running)).toHaveLength(1);
    expect(JSON.parse(told(running)[0] ?? "")).toMatchObject({ before: {}, after: { u: 1 } });
  });

  it.each([
    ["an address that must not be used", { url: "http://flux.example.com" }, /plain http/],
    ["a token nobody has resolved", { token: { source: "env", provider: "p", id: "X" } }, /secret reference/],
  ])("says why it cannot work over %s, and the account goes on", async (_name, keys, reason) => {
    const settings = { flux: { ...flux().flux, ...keys } };
    const running = place.start(echo, settings);
    await running.ready();
    expect(running.account?.health()).toMatchObject({ watches: 1, watchesConnected: false });
    expect(String(running.account?.health()["watchProblem"])).toMatch(reason);
    expect(running.lines.join("\n")).toContain("Nothing of the world is watched");
    await expect(running.account?.watches.add(watchOf({ id: "w", prefix: "x/" }), "agent")).rejects.toMatchObject({});
    await place.publish({ request_id: "r", message: "hello" });
    expect(await place.reply("r")).toMatchObject({ message: "echo: hello" });
  });

  it("says that its server cannot be reached, and the account goes on", async () => {
    const running = place.start(echo, { flux: { ...flux().flux, url: "http://127.0.0.1:1" } });
    await running.ready();
    await until("it is told", () => running.account?.health()["watchProblem"] !== undefined);
    expect(running.account?.health()).toMatchObject({ watchesConnected: false });
    await place.publish({ request_id: "r", message: "hello" });
    expect(await place.reply("r")).toMatchObject({ message: "echo: hello" });
  });
});
