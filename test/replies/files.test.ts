/** The files of a reply on their way out: uploaded before it is sent, no more than once each, and never in its way. */

import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AgentruxError } from "../../src/errors.ts";
import type { ReplyChannel } from "../../src/replies/channel.ts";
import { composeReply, type OutgoingEvent } from "../../src/replies/compose.ts";
import { fileNeedsUpload, type ReplyFile, whyGivenUp, withFilesInPlace } from "../../src/replies/files.ts";
import { createOutbox, type Outbox } from "../../src/replies/outbox.ts";
import { FakeClock } from "../promises/support/fake-clock.ts";
import { asJournal, MemoryJournal } from "../promises/support/memory-journal.ts";
import { command, memoryLog } from "./support.ts";

const LOST = new AgentruxError("network", "cut", { kind: "unknown", retryable: true });
const FORBIDDEN = new AgentruxError("forbidden", "no objects", { kind: "refused" });
const UNAUTHORIZED = new AgentruxError("unauthorized", "who?", { kind: "refused" });

const file = (name: string): ReplyFile => ({ name, contentType: "text/plain", spool: name, size: 1, sha256: "00" });

let clock: FakeClock;
let disk: MemoryJournal;
let outbox: Outbox;
let uploads: string[];
let uploadFaults: (AgentruxError | undefined)[];
let faults: (AgentruxError | undefined)[];
let published: OutgoingEvent[];
let discarded: string[];

function start(generation: "a" | "b" = "b"): Outbox {
  const channel: ReplyChannel = {
    generation,
    recognisesRepeats: true,
    files: {
      async upload({ name }) {
        uploads.push(name);
        const met = uploadFaults.shift();
        if (met !== undefined) throw met;
        return { objectId: `obj_${uploads.length}` };
      },
      async discard(files) {
        discarded.push(...files.map(({ spool }) => spool));
      },
    },
    upload: () => Promise.reject(new Error("no text is spilled here")),
    async publish(event) {
      const met = faults.shift();
      if (met !== undefined) throw met;
      published.push(withFilesInPlace(event));
    },
    find: () => Promise.resolve("absent"),
  };
  const options = { journal: asJournal(disk), channel, clock, random: () => 0.5, log: memoryLog() };
  return createOutbox({ ...options, onDone: () => undefined });
}

async function answer(...files: readonly ReplyFile[]): Promise<void> {
  const [id = 0] = disk.admit("t", [{ commandId: "c", producer: "p", lane: "lane", body: "{}" }], clock.now()).ids;
  disk.begin(id);
  disk.reply(id, composeReply(command(), { status: "completed", message: "see", files }, 0), clock.now());
  outbox.add(id, "lane");
  await clock.settle();
}

const attachments = () => published[0]?.payload["attachments"] as Record<string, unknown>[];

beforeEach(() => {
  clock = new FakeClock();
  disk = new MemoryJournal();
  [uploads, uploadFaults, faults, published, discarded] = [[], [], [], [], []];
  outbox = start();
});

afterEach(async () => {
  const stopped = outbox.stop(0);
  await clock.advance(10);
  await stopped;
});

describe("files of a reply", () => {
  it("are uploaded, referred to, and their copies removed", async () => {
    await answer(file("a"), file("b"));
    expect(attachments()).toMatchObject([
      { name: "a", payload_object_id: "obj_1" },
      { name: "b", payload_object_id: "obj_2" },
    ]);
    expect(discarded).toEqual(["a", "b"]);
  });

  it("are uploaded once, however often the event has to be sent", async () => {
    faults = [LOST, LOST, LOST];
    await answer(file("a"), file("b"));
    await clock.until(() => published.length === 1, 600_000);
    expect(uploads).toEqual(["a", "b"]);
  });

  it("go on with the one that failed", async () => {
    uploadFaults = [undefined, LOST];
    await answer(file("a"), file("b"));
    await clock.until(() => published.length === 1, 600_000);
    expect(uploads).toEqual(["a", "b", "b"]);
  });

  it("are uploaded anew for the other generation", async () => {
    faults = [LOST];
    await answer(file("a"));
    const stopped = outbox.stop(0);
    await clock.advance(10);
    await stopped;
    outbox = start("a");
    await outbox.start();
    await clock.until(() => published.length === 1, 600_000);
    expect(attachments()).toMatchObject([{ name: "a", object_id: "obj_2" }]);
  });

  it("that the service refuses are told as missing, and the others are sent", async () => {
    uploadFaults = [FORBIDDEN];
    await answer(file("a"), file("b"));
    expect(attachments()).toMatchObject([
      { name: "a", error: { code: "forbidden", message: "This file could not be sent." } },
      { name: "b", payload_object_id: "obj_2" },
    ]);
  });

  it("of which one is missing in a dialect without a place for that are told of in words", () => {
    const event = { type: "composer.upload", payload: {}, files: [{ ...file("a"), missing: "forbidden" }] };
    expect(withFilesInPlace(event)).toMatchObject({
      type: "composer.text",
      payload: { content: "a: This file could not be sent.", format: "markdown" },
    });
    const object = { reference: { objectId: "obj_1" }, generation: "b", uploadedAt: 0 } as const;
    const there = { ...event, files: [{ ...file("a"), object }] };
    expect(withFilesInPlace(there)).toMatchObject({ type: "composer.upload", payloadRef: "obj_1" });
    expect(withFilesInPlace({ type: "composer.upload", payload: {} })).toEqual({
      type: "composer.upload",
      payload: {},
    });
  });

  it("are uploaded again after an hour and for the other generation; what is given up is not", () => {
    const object = { reference: { objectId: "obj_1" }, generation: "b", uploadedAt: 10_000_000 } as const;
    const uploaded = { ...file("a"), object };
    expect(fileNeedsUpload(file("a"), "b", 0)).toBe(true);
    expect(fileNeedsUpload(uploaded, "b", 10_000_000 + 3_600_000)).toBe(false);
    expect(fileNeedsUpload(uploaded, "b", 10_000_000 + 3_600_001)).toBe(true);
    // A clock that was set back says nothing of its age.
    expect(fileNeedsUpload(uploaded, "b", 0)).toBe(true);
    expect(fileNeedsUpload(uploaded, "a", 10_000_000)).toBe(true);
    expect(fileNeedsUpload({ ...file("a"), missing: "forbidden" }, "b", 0)).toBe(false);
  });

  it("stand behind what the reply says of others, with their checksum, and a link where the service gives one", () => {
    const others = [{ name: "x", error: { code: "forbidden", message: "no" } }];
    const reference = { objectId: "obj_1", downloadUrl: "https://x/a" };
    const linked = { ...file("a"), object: { reference, generation: "b", uploadedAt: 0 } } as const;
    const event = { type: "openclaw.response", payload: { attachments: others }, files: [linked, file("b")] };
    const about = { content_type: "text/plain", size: 1 };
    expect(withFilesInPlace(event).payload["attachments"]).toStrictEqual([
      ...others,
      { name: "a", ...about, sha256: "00", payload_object_id: "obj_1", download_url: "https://x/a" },
      { name: "b", ...about, error: { code: "unexpected", message: "This file could not be sent." } },
    ]);
  });

  it.each([
    "invalid",
    "payload_too_large",
    "forbidden",
    "not_found",
    "conflict",
    "insecure_url",
    "file_unreadable",
  ] as const)("that meet %s are given up at once", (code) => {
    expect(whyGivenUp(new AgentruxError(code, code), 1)).toBe(code);
  });

  it("are given up by what fails for a reason nobody knows only after many attempts", () => {
    expect(whyGivenUp(new Error("odd"), 11)).toBeUndefined();
    expect(whyGivenUp(new Error("odd"), 12)).toBe("unexpected");
  });

  it("whose upload keeps failing are given up after twelve attempts", async () => {
    uploadFaults = Array.from({ length: 40 }, () => LOST);
    await answer(file("a"));
    await clock.until(() => published.length === 1, 86_400_000);
    expect(uploads).toHaveLength(12);
    expect(attachments()).toMatchObject([{ name: "a", error: { code: "network" } }]);
  });

  it("wait for a credential that is refused, as the reply does", async () => {
    uploadFaults = [UNAUTHORIZED, UNAUTHORIZED];
    await answer(file("a"));
    await clock.until(() => published.length === 1, 86_400_000);
    expect(attachments()).toMatchObject([{ name: "a", payload_object_id: "obj_3" }]);
  });
});
