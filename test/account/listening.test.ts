/** Listening topics on a real hub, through a real journal: each event a turn, none lost, none answered. */

import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createScript, createTopic, grant, listGrants, revokeGrant } from "../../hub/src/admin/operations.ts";
import { createServiceClient, type CredentialedClient } from "../../src/service/client.ts";
import { redeem } from "../tools/support.ts";
import { echo, Place, type Running, type Turn, until } from "./support.ts";

let place: Place;
let news: string;
let station: CredentialedClient;

beforeEach(async () => {
  place = await Place.create();
  const { deps } = place.hub;
  news = (await createTopic(deps, { name: "news" })).id;
  await grant(deps, place.agentScript, news, "read");
  const script = await createScript(deps, { name: "station", read: [news], write: [news] });
  station = createServiceClient(await redeem(place.hub, "a", script.id));
});
afterEach(async () => {
  await station.close();
  await place.close();
});

const listening = () => ({ messagingTopics: [{ id: "news", topicId: news, mode: "read", listen: true }] });
const tell = (n: number) =>
  station.publish({ topicId: news, type: "weather", payload: { n }, signal: AbortSignal.timeout(10_000) });

/** The numbers of the events that started a turn, in order. */
function heard(running: Running): number[] {
  return running.turns.flatMap(({ command }) => {
    const found = /"n":(\d+)/.exec(command.message);
    return command.isNotice === true && found ? [Number(found[1])] : [];
  });
}

async function start(turn: Turn = echo, settings: object = {}): Promise<Running> {
  const running = place.start(turn, { ...listening(), ...settings });
  await running.ready();
  await until("it listens", () => running.lines.some((line) => line.includes("Listening to news")));
  return running;
}

const done = (running: Running) => until("all is done", () => running.account?.health()["backlog"] === 0);

describe("a listening topic", () => {
  it("starts a turn for each event, beside commands, and publishes no reply", async () => {
    await place.drop(await place.code());
    const running = await start();
    for (const n of [1, 2, 3]) await tell(n);
    await place.publish({ request_id: "r", message: "hello" });
    expect(await place.reply("r")).toMatchObject({ status: "completed", message: "echo: hello" });
    await until("three turns", () => heard(running).length === 3);
    await done(running);
    expect(heard(running)).toEqual([1, 2, 3]);
    expect(await place.replies()).toHaveLength(1);
    await until("the reply is acknowledged", () => running.account?.health()["unsentReplies"] === 0);
    expect(running.account?.health()).toMatchObject({ listening: 1, deadLetters: 0 });
  });

  it("takes up after a restart what came meanwhile, and repeats nothing", async () => {
    await place.drop(await place.code());
    const first = await start();
    await tell(1);
    await until("the first", () => heard(first).length === 1);
    await done(first);
    await first.stop();
    for (const n of [2, 3]) await tell(n);
    const second = await start();
    await until("the others", () => heard(second).length === 2);
    await done(second);
    expect(heard(second)).toEqual([2, 3]);
    expect(await place.replies()).toEqual([]);
  });

  it("tries a failing turn again, then keeps the event as a dead letter, unanswered", async () => {
    await place.drop(await place.code());
    const running = await start(() => Promise.resolve({ kind: "failed", reason: "no" }), { maxAttempts: 2 });
    await tell(1);
    await until("a dead letter", () => running.account?.health()["deadLetters"] === 1);
    expect(heard(running)).toEqual([1, 1]);
    expect(running.account?.health()).toMatchObject({ backlog: 0, unsentReplies: 0 });
    expect(await place.replies()).toEqual([]);
  });

  it("does not stop the account when it cannot be read, and says so", async () => {
    const { deps } = place.hub;
    await place.drop(await place.code());
    const [held] = (await listGrants(deps, place.agentScript)).filter(({ topicId }) => topicId === news);
    await revokeGrant(deps, held?.id ?? "");
    const running = place.start(echo, listening());
    await running.ready();
    await until("it is told", () => running.account?.health()["listeningFailing"] === "news");
    await place.publish({ request_id: "r", message: "hello" });
    expect(await place.reply("r")).toMatchObject({ message: "echo: hello" });
    expect(running.state?.kind).toBe("ready");
  });
});
