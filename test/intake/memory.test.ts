import { describe, expect, it } from "vitest";
import { memoryOf, readMemory } from "../../src/intake/memory.ts";
import { eventOf, TOPIC } from "./support.ts";

describe("where a page ended, as the journal remembers it", () => {
  const page = {
    topicId: TOPIC,
    events: [eventOf(1), { ...eventOf(2), storedAt: "2026-01-01T00:00:00Z" }],
    position: "2",
  };

  it("is read back as it was written, with the last event", () => {
    for (const generation of ["a", "b"] as const) {
      expect(readMemory(memoryOf(generation, page) ?? "")).toEqual({
        generation,
        cursor: "2",
        eventId: eventOf(2).eventId,
        sequence: 2,
        storedAt: "2026-01-01T00:00:00Z",
      });
    }
  });

  it("is the bare position after a page without events", () => {
    expect(readMemory(memoryOf("a", { ...page, events: [] }) ?? "")).toEqual({ generation: "a", cursor: "2" });
  });

  it("is nothing while no generation is known", () => {
    expect(memoryOf(undefined, page)).toBeUndefined();
  });

  it.each(["", "null", "7", "[]", "{}", '{"generation":"a"}', '{"generation":"c","cursor":"2"}', '{"cursor":"2"}'])(
    "is not read from what was not written as one: %s",
    (text) => {
      expect(readMemory(text)).toBeUndefined();
    },
  );
});
