import { createHash, randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import {
  createPayloadRequestASchema,
  createPayloadRequestBSchema,
  eventASchema,
  eventBSchema,
  eventPageASchema,
  eventPageBSchema,
  hintDataASchema,
  hintDataBSchema,
  openclawRequestSchema,
  openclawResponseSchema,
  publishRequestASchema,
  publishRequestBSchema,
  sha256ToHex,
} from "agentrux-wire";

describe("publishing", () => {
  it("asks for a type and ignores unknown keys", () => {
    expect(publishRequestASchema.parse({ type: "t", payload: { a: 1 }, extra: 1 })).toEqual({
      type: "t",
      payload: { a: 1 },
    });
    expect(publishRequestASchema.parse({ type: "t" })).toEqual({ type: "t" });
    for (const body of [{}, { type: "" }, { type: 5 }, { type: "x".repeat(257) }, null, []]) {
      expect(publishRequestASchema.safeParse(body).success).toBe(false);
    }
  });

  it("takes payload or payload_object_id in generation B, not both; any JSON is a payload", () => {
    const accepts = (body: unknown) => publishRequestBSchema.safeParse(body).success;
    expect(accepts({ event_type: "t", payload: 0 })).toBe(true);
    expect(accepts({ event_type: "t", payload_object_id: "pob_1" })).toBe(true);
    expect(accepts({ event_type: "t", payload: null, payload_object_id: "pob_1" })).toBe(true);
    expect(accepts({ event_type: "t", payload: false, payload_object_id: "pob_1" })).toBe(false);
    expect(accepts({ event_type: "t", metadata: "x" })).toBe(false);
  });
});

describe("reading", () => {
  const eventA = {
    event_id: "e",
    sequence_no: 1,
    timestamp: "2026-01-01T00:00:00Z",
    type: "t",
    payload_mode: "inline",
  };

  it("keeps unknown keys of events and pages", () => {
    expect(eventASchema.parse({ ...eventA, payload: null, shard: 3 })).toMatchObject({ payload: null, shard: 3 });
    expect(eventBSchema.parse({ event_id: "evt_1", event_type: "t", shard: 3 })).toMatchObject({ shard: 3 });
    expect(eventPageASchema.parse({ items: [], next_cursor: null, total: 9 })).toMatchObject({ total: 9 });
    expect(eventPageBSchema.parse({ events: [] })).toEqual({ events: [] });
  });

  it("lets one malformed item stand beside good ones", () => {
    const page = eventPageASchema.parse({ items: [eventA, 7, { event_id: 5 }] });
    expect(page.items.map((item) => eventASchema.safeParse(item).success)).toEqual([true, false, false]);
  });

  it("reads the hints of both dialects, and B1's as well as B2's", () => {
    expect(hintDataASchema.parse({ topic_id: "t", latest_sequence_no: 12 }).latest_sequence_no).toBe(12);
    expect(hintDataASchema.safeParse({ topic_id: "t", latest_sequence_no: "12" }).success).toBe(false);
    expect(hintDataBSchema.parse({ event_id: "evt_1", seq: 4 }).seq).toBe(4);
    expect(hintDataBSchema.parse({ event_id: "evt_1", cursor: "c" }).seq).toBeUndefined();
  });
});

describe("payload objects", () => {
  it("turns both checksum forms into the same hex", () => {
    const digest = createHash("sha256").update(randomBytes(64)).digest();
    expect(sha256ToHex(digest.toString("base64"))).toBe(digest.toString("hex"));
    expect(sha256ToHex(digest.toString("hex").toUpperCase())).toBe(digest.toString("hex"));
    expect(sha256ToHex("abc")).toBeUndefined();
  });

  it("refuses sizes, types and checksums that cannot be", () => {
    const a = { content_type: "text/plain", size: 3 };
    expect(createPayloadRequestASchema.safeParse(a).success).toBe(true);
    for (const bad of [{ size: -1 }, { size: 1.5 }, { size: "3" }, { content_type: "a\r\nb" }, { hash: "abc" }]) {
      expect(createPayloadRequestASchema.safeParse({ ...a, ...bad }).success).toBe(false);
    }
    expect(createPayloadRequestBSchema.safeParse({ size_bytes: 0 }).success).toBe(true);
    expect(createPayloadRequestBSchema.safeParse({ size_bytes: 1, checksum_sha256: "x" }).success).toBe(false);
  });
});

describe("openclaw payloads", () => {
  it("reads a command with any of its three names for the words, and survives a broken trace", () => {
    expect(openclawRequestSchema.parse({ text: "hi", trace: { hops: "x" } })).toMatchObject({ text: "hi" });
    expect(openclawRequestSchema.parse({ message: "hi", trace: { id: "t", hops: 2 } }).trace).toEqual({
      id: "t",
      hops: 2,
    });
    expect(openclawRequestSchema.safeParse({ message: { nested: true } }).success).toBe(false);
  });

  it("knows the four ends of a command, and the parts before them", () => {
    for (const status of ["completed", "failed", "timeout", "rejected", "partial"]) {
      expect(openclawResponseSchema.safeParse({ request_id: "r", status, message: "m" }).success).toBe(true);
    }
    expect(openclawResponseSchema.safeParse({ request_id: "r", status: "done" }).success).toBe(false);
    const part = { request_id: "r", status: "completed", part: 2, parts: 2, final: true };
    expect(openclawResponseSchema.parse(part)).toEqual(part);
    expect(openclawResponseSchema.safeParse({ ...part, part: 0 }).success).toBe(false);
  });
});
