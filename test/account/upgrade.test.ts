/**
 * The folder of the vendor's plugin, taken over. Each era's files are written as the behaviour reference describes them
 * (sections 1.1 and 1.4), over a real hub: two commands the old plugin has done with, one that came while nothing ran.
 */

import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createServiceClient } from "../../src/service/client.ts";
import { parseCredentials } from "../../src/credentials/schema.ts";
import { parsePositions } from "../../src/intake/positions.ts";
import type { TopicEvent } from "../../src/service/types.ts";
import { Place } from "./support.ts";

let place: Place;

beforeEach(async () => {
  place = await Place.create();
  await mkdir(place.paths.dir, { recursive: true, mode: 0o700 });
});

afterEach(() => place.close());

/** What the service has issued, as the vendor's plugin would have it. */
async function issued(generation: "a" | "b") {
  await place.drop(await place.code(generation));
  const running = place.start();
  await running.ready();
  await running.stop();
  const parsed = parseCredentials(await readFile(place.paths.credentials, "utf8"));
  if (!parsed.ok) throw new Error(parsed.reason);
  return parsed.credentials;
}

interface Era {
  readonly name: string;
  readonly generation: "a" | "b";
  readonly credentials: (id: string, secret: string) => object;
  readonly waterline: (topicId: string, last: TopicEvent) => object;
}

const eras: readonly Era[] = [
  {
    name: "0.14: script_id and clientSecret, waterline v1",
    generation: "a",
    credentials: (script_id, clientSecret) => ({ base_url: place.hub.url, script_id, clientSecret }),
    waterline: (topicId, last) => ({ [topicId]: last.sequence, "99999999-9999-4999-8999-999999999999": 7 }),
  },
  {
    name: "0.7.4 to the letter of its README: client_secret, waterline v1",
    generation: "a",
    credentials: (script_id, client_secret) => ({ script_id, client_secret, base_url: `${place.hub.url}/` }),
    waterline: (topicId, last) => ({ [topicId]: last.sequence }),
  },
  {
    name: "1.0.19: client_id and client_secret, waterline v2",
    generation: "b",
    credentials: (client_id, client_secret) => ({ base_url: place.hub.url, client_id, client_secret }),
    waterline: (topicId, last) => ({ v: 2, w: { [`top_${topicId}`]: { seq: 2, event_id: last.eventId } } }),
  },
  {
    name: "1.1.0: waterline v3 with an event id",
    generation: "b",
    credentials: (client_id, client_secret) => ({ base_url: place.hub.url, client_id, client_secret, script_id: null }),
    waterline: (topicId, last) => ({ v: 3, w: { [`top_${topicId}`]: { event_id: last.eventId } } }),
  },
  {
    name: "1.1.0: waterline v3 with a cursor",
    generation: "b",
    credentials: (client_id, client_secret) => ({ base_url: place.hub.url, client_id, client_secret }),
    waterline: (topicId, last) => ({ v: 3, w: { [`top_${topicId}`]: { event_id: last.cursor } } }),
  },
];

describe.each(eras)("$name", ({ generation, credentials, waterline }) => {
  it("is taken over: what it had done is not run again, what came after it is", async () => {
    const { clientId, clientSecret } = await issued(generation);
    const { agentruxDir, last } = await oldFolder(generation);
    await place.publish({ request_id: "while-down", message: "3" });
    await writeFile(agentruxDir.credentials, JSON.stringify(credentials(clientId, clientSecret), null, 2), {
      mode: 0o644,
    });
    await writeFile(agentruxDir.waterline, JSON.stringify(waterline(place.keys.commandTopicId, last)));
    await writeFile(`${agentruxDir.bootstrap}.legacy-20260506-101010`, "ac_old", { mode: 0o600 });

    const running = place.start();
    expect(await place.reply("while-down")).toMatchObject({ message: "echo: 3", status: "completed" });
    expect(running.turns.map(({ command }) => command.requestId)).toEqual(["while-down"]);
    expect(await place.replies()).toHaveLength(1);
    expect((await stat(agentruxDir.credentials)).mode & 0o777).toBe(0o600);
    await running.stop();

    // The way back: both files are still what the old plugin reads, and say how far this one has come.
    expect(JSON.parse(await readFile(agentruxDir.credentials, "utf8"))).toEqual(credentials(clientId, clientSecret));
    const left = parsePositions(await readFile(agentruxDir.waterline, "utf8"));
    if (!left.ok) throw new Error(left.reason);
    const position = left.positions.topics.get(place.keys.commandTopicId)?.[generation];
    expect(position).not.toBe(generation === "a" ? String(last.sequence) : last.cursor);
    const old = JSON.parse(await readFile(agentruxDir.waterline, "utf8")) as Record<string, unknown>;
    if (generation === "a") expect(old[place.keys.commandTopicId]).toBe(Number(position));
    else expect(old).toMatchObject({ v: 3, w: { [`top_${place.keys.commandTopicId}`]: { event_id: position } } });
  });
});

/** A folder as the old plugin leaves it: no journal of ours, two commands done. */
async function oldFolder(generation: "a" | "b") {
  const parsed = parseCredentials(await readFile(place.paths.credentials, "utf8"));
  if (!parsed.ok) throw new Error(parsed.reason);
  await place.forget();
  await mkdir(place.paths.dir, { recursive: true, mode: 0o700 });
  await place.publish({ request_id: "done-1", message: "1" });
  await place.publish({ request_id: "done-2", message: "2" });
  const client = createServiceClient(parsed.credentials, {});
  try {
    const { commandTopicId: topicId } = place.keys;
    const page = await client.pull({ topicId, after: "", limit: 10, signal: AbortSignal.timeout(10_000) });
    const last = page.events.at(-1);
    if (last?.payload === undefined || page.events.length !== 2) throw new Error("expected two events");
    if (generation === "a" && last.sequence === undefined) throw new Error("expected a sequence number");
    return { agentruxDir: place.paths, last };
  } finally {
    await client.close();
  }
}

it("an opaque cursor says nothing to credentials of generation A: what was done is not run again", async () => {
  const { clientId, clientSecret } = await issued("a");
  const { agentruxDir, last } = await oldFolder("a");
  const credentials = { base_url: place.hub.url, script_id: clientId, clientSecret };
  await writeFile(agentruxDir.credentials, JSON.stringify(credentials), { mode: 0o600 });
  const cursors = { v: 3, w: { [`top_${place.keys.commandTopicId}`]: { event_id: `opaque-${last.eventId}` } } };
  await writeFile(agentruxDir.waterline, JSON.stringify(cursors));
  const running = place.start();
  await running.ready();
  await place.publish({ request_id: "after", message: "4" });
  await place.reply("after");
  expect(running.turns.map(({ command }) => command.requestId)).toEqual(["after"]);
  expect(running.lines.join("\n")).toMatch(/The read position was lost/);
});

it("resumeFromLastSeq: false skips to the newest event at the start, once, and says so", async () => {
  await issued("b");
  await place.publish({ request_id: "while-down", message: "1" });
  const skip = { pending: true };
  const running = place.start(undefined, { resumeFromLastSeq: false }, { skip });
  await running.ready();
  await place.publish({ request_id: "after", message: "2" });
  await place.reply("after");
  expect(running.turns.map(({ command }) => command.requestId)).toEqual(["after"]);
  expect(running.lines.join("\n")).toMatch(/resumeFromLastSeq is false: what was published since the last stop/);
  await running.stop();

  await place.publish({ request_id: "reload", message: "3" });
  const again = place.start(undefined, { resumeFromLastSeq: false }, { skip });
  await place.reply("reload");
  await again.stop();
});
