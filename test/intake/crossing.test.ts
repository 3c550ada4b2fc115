import { describe, expect, it } from "vitest";
import { findMark, type ReadBack, type ReadMark } from "../../src/intake/crossing.ts";
import { dialectA } from "../../src/service/dialects/a.ts";
import type { EventPage, Generation, TopicEvent } from "../../src/service/types.ts";
import { eventOf, TOPIC } from "./support.ts";

const at = (second: number): string => new Date(Date.parse("2026-04-08T12:00:00Z") + second * 1_000).toISOString();

/** Events in order of the topic, one a second. */
const events = (numbers: readonly number[], generation: Generation, extra: Partial<TopicEvent> = {}): TopicEvent[] =>
  numbers.map((number) => ({ ...eventOf(number, generation), storedAt: at(number), ...extra }));

const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);

/** Reads back as generation B does: by the cursor of an event. */
const backInB =
  (all: readonly TopicEvent[]): ReadBack =>
  async (before, limit) => {
    const end = before === undefined ? all.length : all.findIndex((event) => event.cursor === before);
    if (end < 0) throw new Error(`no such cursor: ${before}`);
    const older = all.slice(0, end);
    return { events: older.toReversed().slice(0, limit), malformed: 0 };
  };

/** Reads back as generation A does, over its own dialect: by windows of numbers. */
const backInA =
  (all: readonly TopicEvent[]): ReadBack =>
  async (before, limit): Promise<EventPage> => {
    const request = { topicId: TOPIC, after: before ?? "", limit, order: "desc", signal: AbortSignal.abort() } as const;
    const { searchParams } = new URL(dialectA.pull(request).path, "http://x");
    const after = Number(searchParams.get("after_sequence_no"));
    const page = all.filter(({ sequence = 0 }) => sequence > after).slice(0, limit);
    const items = page.map(({ eventId, sequence, storedAt, type, payload }) => ({
      event_id: eventId,
      sequence_no: sequence,
      timestamp: storedAt,
      type,
      payload,
    }));
    return dialectA.readPage({ items }, request);
  };

describe("the place of an event in the other generation", () => {
  it("is found by the event itself, however its id is written", async () => {
    const all = events(upTo(1_000), "b");
    const mark = { eventId: eventOf(37, "a").eventId };
    expect(await findMark(mark, "b", "cur-1000", backInB(all))).toBe("cur-37");
    const numbered = events(upTo(1_000), "a");
    for (const number of [1, 37, 1_000]) {
      const { eventId } = eventOf(number, "b");
      expect(await findMark({ eventId }, "a", "1000", backInA(numbered))).toBe(String(number));
    }
    // The first event is alone in the last window.
    const windows = events(upTo(101), "a");
    expect(await findMark({ eventId: eventOf(1, "b").eventId }, "a", "101", backInA(windows))).toBe("1");
  });

  it("is found by the number, where the event itself is gone", async () => {
    const all = events([3, 9], "b").map((event, index) => ({ ...event, sequence: index === 0 ? 3 : 9 }));
    expect(await findMark({ sequence: 7 }, "b", "cur-9", backInB(all))).toBe("cur-3");
    expect(await findMark({ sequence: 9 }, "b", "cur-9", backInB(all))).toBe("cur-9");
  });

  it("is found in generation A across numbers that are missing", async () => {
    const all = events([1, 2, 3, 900, 2_000], "a");
    expect(await findMark({ eventId: eventOf(2, "b").eventId }, "a", "2000", backInA(all))).toBe("2");
  });

  it("is the newest event stored no later, where the service does not show the event", async () => {
    const all = events(upTo(500), "b");
    const mark = { eventId: "evt_gone", storedAt: at(200.5) };
    expect(await findMark(mark, "b", "cur-500", backInB(all))).toBe("cur-200");
    expect(await findMark({ ...mark, storedAt: at(200) }, "b", "cur-500", backInB(all))).toBe("cur-200");
    // Also where the topic has no beginning that could be reached.
    const endless: ReadBack = async () => ({ events: events([7], "b"), malformed: 0 });
    expect(await findMark({ eventId: "evt_gone", storedAt: at(8) }, "b", "cur-7", endless)).toBe("cur-7");
  });

  it("is looked for no further back than it can be", async () => {
    let reads = 0;
    const counted = (all: readonly TopicEvent[]): ReadBack => {
      const back = backInB(all);
      return (...args) => {
        reads += 1;
        return back(...args);
      };
    };
    const mark = { eventId: "evt_gone", storedAt: at(4_900) };
    expect(await findMark(mark, "b", "cur-5000", counted(events(upTo(5_000), "b")))).toBe("cur-4900");
    expect(reads).toBeLessThan(5);
    reads = 0;
    expect(await findMark(mark, "b", "", counted([]))).toBe("");
    expect(reads).toBe(0);
  });

  it("is the event itself, although one stored a minute earlier stands after it", async () => {
    const [first, second] = events([1, 2], "b");
    const all = [
      { ...first, storedAt: at(100) },
      { ...second, storedAt: at(40) },
    ] as TopicEvent[];
    const mark: ReadMark = { eventId: eventOf(1, "a").eventId, storedAt: at(100) };
    expect(await findMark(mark, "b", "cur-2", backInB(all))).toBe("cur-1");
  });

  it("is the event itself, although others of the same moment stand after it", async () => {
    const all = events(upTo(300), "b", { storedAt: at(5) });
    const mark: ReadMark = { eventId: eventOf(150, "a").eventId, storedAt: at(5) };
    expect(await findMark(mark, "b", "cur-300", backInB(all))).toBe("cur-150");
  });

  it("is the beginning, where everything there is was published since", async () => {
    const mark = { eventId: "evt_gone", storedAt: at(0) };
    expect(await findMark(mark, "b", "cur-150", backInB(events(upTo(150), "b")))).toBe("");
    expect(await findMark(mark, "a", "150", backInA(events(upTo(150), "a")))).toBe("");
    expect(await findMark(mark, "b", "", backInB([]))).toBe("");
    const numbered = events([8, 9], "b").map((event, index) => ({ ...event, sequence: index + 8 }));
    expect(await findMark({ sequence: 7 }, "b", "cur-9", backInB(numbered))).toBe("");
    // A server may have stopped numbering events.
    const since = [...numbered, ...events(upTo(20).slice(9), "b")];
    expect(await findMark({ sequence: 7 }, "b", "cur-20", backInB(since))).toBe("");
  });

  it("is the end of a topic that shows no event at all", async () => {
    expect(await findMark({ sequence: 7 }, "b", "frontier", backInB([]))).toBe("frontier");
  });

  it("is not known, where nothing there is can be compared with it", async () => {
    const all = events(upTo(150), "b");
    expect(await findMark({ sequence: 9_000 }, "b", "cur-150", backInB(all))).toBeUndefined();
    expect(await findMark({ eventId: "evt_gone" }, "b", "cur-150", backInB(all))).toBeUndefined();
    expect(await findMark({ eventId: "evt_gone" }, "a", "150", backInA(events(upTo(150), "a")))).toBeUndefined();
    const timeless = all.map(({ storedAt: _storedAt, ...event }) => event);
    const mark = { eventId: "evt_gone", storedAt: at(0) };
    expect(await findMark(mark, "b", "cur-150", backInB(timeless))).toBeUndefined();
    // What is older than the last event that could be compared may have been read.
    const oldFirst = [...timeless.slice(0, 100), ...all.slice(100)];
    expect(await findMark(mark, "b", "cur-150", backInB(oldFirst))).toBeUndefined();
  });

  it("is not known, where nothing of it can be recognised", async () => {
    const unreadable: ReadBack = async () => ({ events: [], malformed: 3 });
    expect(await findMark({ eventId: "e" }, "b", "cur-1", unreadable)).toBeUndefined();
    const endless: ReadBack = async () => ({ events: events([7], "b"), malformed: 0 });
    expect(await findMark({ eventId: "e" }, "b", "cur-7", endless)).toBeUndefined();
  });
});
