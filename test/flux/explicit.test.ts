/** The conversation with the hub, message by message: when the cursor may move, and which snapshot counts. */

import { beforeEach, describe, expect, it } from "vitest";
import { ExplicitTalk, type Resumption } from "../../src/flux/watch/explicit.ts";
import { type FeedSink, type Subscription, subscriptionOf, targetCovers } from "../../src/flux/watch/sink.ts";

const a = subscriptionOf({ target: { prefix: "a/" } });
const b = subscriptionOf({ target: { entity: "b" }, property: "t" });

let resumption: Resumption;
let wanted: Subscription[];
let sent: object[];
let seen: string[];
let talk: ExplicitTalk;

const sink: FeedSink = {
  subscriptions: () => wanted,
  unsync: (label) => void seen.push(`unsync ${label}`),
  part: (label, entities) => void seen.push(`part ${label} ${entities.map(({ id }) => id).join(" ")}`),
  whole: (label) => void seen.push(`whole ${label}`),
  update: (id) => void seen.push(`update ${id}`),
  replace: (id, entity) => void seen.push(`${entity === undefined ? "gone" : "state"} ${id}`),
  covers: () => true,
};

function connect(): void {
  talk = new ExplicitTalk(sink, resumption, (message) => void sent.push(message));
  sent = [];
  for (const one of wanted) talk.subscribe(one);
}

beforeEach(() => {
  resumption = { cursor: undefined, live: new Set() };
  wanted = [a, b];
  seen = [];
  connect();
});

const said = { a: { prefix: "a/" }, b: { entity_id: "b", property: "t" } };
const subscribed = (of: "a" | "b", cursor: string) => talk.hear({ type: "subscribed", subscription: said[of], cursor });
const snapshot = (of: "a" | "b", ids: string[], cursor: string, more = false) => {
  const entities = ids.map((id) => ({ id, properties: {}, lastUpdated: "t" }));
  return talk.hear({ type: "snapshot", subscription: said[of], entities, more, cursor });
};
const update = (id: string, cursor: string) => {
  const rest = { changes: {}, removed: [], version: 1, timestamp: "t", eventId: "e", stream: "s", source: "x" };
  return talk.hear({ type: "entity_update", entity_id: id, ...rest, cursor });
};
const state = (id: string, cursor: string) =>
  talk.hear({ type: "entity_state", entity: { id, properties: {}, lastUpdated: "t" }, cursor });
const resync = (reason: "slow" | "resumed" | "cursor_expired", cursor: string) =>
  talk.hear({ type: "resync", reason, cursor });

/** Both are known up to c-9. */
function live(): void {
  subscribed("a", "c-1");
  subscribed("b", "c-1");
  snapshot("a", ["a/1"], "c-5");
  snapshot("b", ["b"], "c-9");
}

describe("the cursor", () => {
  it("is kept once everything is known, and moves with every message from then on", () => {
    subscribed("a", "c-1");
    subscribed("b", "c-1");
    snapshot("a", ["a/1"], "c-5", true);
    snapshot("a", ["a/2"], "c-5");
    expect([talk.isLive, resumption.cursor]).toEqual([false, undefined]);
    snapshot("b", ["b"], "c-9");
    expect([talk.isLive, resumption.cursor]).toEqual([true, "c-9"]);
    update("a/1", "c-10");
    expect(resumption.cursor).toBe("c-10");
  });

  it("stands still while the hub catches up, so that a break in the middle loses nothing", () => {
    live();
    resync("slow", "c-9");
    state("a/1", "c-20");
    expect([talk.isLive, resumption.cursor]).toEqual([false, "c-9"]);
    connect();
    expect(sent).toEqual([
      { type: "subscribe", prefix: "a/", cursor: "c-9" },
      { type: "subscribe", entity_id: "b", property: "t", cursor: "c-9" },
    ]);
    subscribed("a", "c-30");
    resync("resumed", "c-9");
    state("a/1", "c-30");
    talk.hear({ type: "synced", cursor: "c-30" });
    // The other has not been answered: what it missed lies before this.
    expect([talk.isLive, resumption.cursor]).toEqual([false, "c-9"]);
    subscribed("b", "c-31");
    resync("resumed", "c-9");
    talk.hear({ type: "synced", cursor: "c-31" });
    expect([talk.isLive, resumption.cursor]).toEqual([true, "c-31"]);
  });

  it("is given up for a snapshot where the hub cannot tell any more, of that subscription alone", () => {
    live();
    connect();
    seen = [];
    subscribed("a", "c-90");
    resync("resumed", "c-9");
    subscribed("b", "c-90");
    resync("cursor_expired", "c-90");
    talk.hear({ type: "synced", cursor: "c-90" });
    expect([seen, talk.isLive, resumption.cursor]).toEqual([[`unsync ${b.label}`], false, "c-9"]);
    connect();
    expect(sent[1]).toEqual({ type: "subscribe", entity_id: "b", property: "t", snapshot: true });
  });
});

describe("a snapshot", () => {
  it("that was asked for twice counts the second time", () => {
    live();
    seen = [];
    resumption.live.delete(a.label);
    talk.subscribe(a);
    resumption.live.delete(a.label);
    talk.subscribe(a);
    subscribed("a", "c-10");
    snapshot("a", ["a/1"], "c-10");
    expect(seen.filter((line) => !line.startsWith("unsync"))).toEqual([]);
    snapshot("a", ["a/1", "a/2"], "c-11");
    expect(seen.slice(-2)).toEqual([`part ${a.label} a/1 a/2`, `whole ${a.label}`]);
    expect(talk.isLive).toBe(true);
  });

  it("that nobody wants any more is not waited for", () => {
    subscribed("a", "c-1");
    wanted = [a];
    talk.unsubscribe(b);
    snapshot("a", [], "c-2");
    snapshot("b", ["b"], "c-3");
    expect([talk.isLive, seen.includes(`whole ${b.label}`)]).toEqual([true, false]);
  });
});

describe("a server's refusal", () => {
  it("ends the connection with its words", () => {
    expect(talk.hear({ type: "error", error: "at most 3" })).toBe("the server refused: at most 3");
    expect(talk.hear({ type: "pong", cursor: "c-99" })).toBeUndefined();
    expect(resumption.cursor).toBeUndefined();
  });
});

describe("a subscription", () => {
  it("is one for equal wishes, and takes the star for everything", () => {
    expect(subscriptionOf({ target: { prefix: "a/" } })).toEqual(a);
    expect(new Set([a, b, subscriptionOf({ target: { entity: "a/" } })].map(({ label }) => label)).size).toBe(3);
    expect(subscriptionOf({ target: { entity: "*" } }).target).toEqual({ prefix: "" });
    expect(targetCovers({ prefix: "" }, "x") && targetCovers({ entity: "x" }, "x")).toBe(true);
    expect(targetCovers({ entity: "x" }, "x/y") || targetCovers({ prefix: "x/" }, "x")).toBe(false);
  });
});
