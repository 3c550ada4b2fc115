import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createHeap } from "../../src/intake/heap.ts";
import { createLanes, type LaneEntry } from "../../src/intake/lanes.ts";
import { Fifo } from "../../src/replies/fifo.ts";

const entry = (id: number, lane: string, producer = "p"): LaneEntry => ({ id, lane, producer });

describe("lanes", () => {
  it("run one conversation strictly in order", () => {
    const lanes = createLanes(() => 9);
    const [a, b] = [entry(1, "c"), entry(2, "c")];
    lanes.add(a);
    lanes.add(b);
    expect(lanes.next(0)).toEqual(a);
    expect(lanes.next(0)).toBeUndefined();
    lanes.finish(a);
    expect(lanes.next(0)).toEqual(b);
  });

  it("run conversations side by side, as many as there are slots", () => {
    const lanes = createLanes(() => 2);
    for (let n = 1; n <= 3; n += 1) lanes.add(entry(n, `c${n}`));
    expect([lanes.next(0)?.id, lanes.next(0)?.id, lanes.next(0)]).toEqual([1, 2, undefined]);
    expect(lanes.running).toBe(2);
    lanes.finish(entry(1, "c1"));
    expect(lanes.next(0)?.id).toBe(3);
  });

  it("let a waiting command block its own lane and nothing else", () => {
    const lanes = createLanes(() => 1);
    for (const one of [entry(1, "a"), entry(2, "a"), entry(3, "b")]) lanes.add(one);
    const first = lanes.next(0);
    lanes.retry(entry(1, "a"), 100);
    expect(first?.id).toBe(1);
    expect(lanes.next(0)?.id).toBe(3);
    lanes.finish(entry(3, "b"));
    expect(lanes.next(99)).toBeUndefined();
    expect(lanes.nextWake(99)).toBe(100);
    expect(lanes.next(100)?.id).toBe(1);
  });

  it("wake in the order of their times, also where a time was put off", () => {
    const lanes = createLanes(() => 9);
    const [late, soon, moved] = [entry(1, "a"), entry(2, "b"), entry(3, "c")];
    lanes.add(late, 300);
    lanes.add(soon, 100);
    lanes.add(moved, 50);
    lanes.retry(moved, 200);
    expect(lanes.nextWake(0)).toBe(100);
    expect([lanes.next(99), lanes.next(100), lanes.next(100)]).toEqual([undefined, soon, undefined]);
    expect(lanes.nextWake(100)).toBe(200);
    expect([lanes.next(300), lanes.next(300), lanes.next(300)]).toEqual([moved, late, undefined]);
    expect(lanes.nextWake(300)).toBeUndefined();
  });

  it("tell what they know of, and hold only what runs", () => {
    const lanes = createLanes(() => 1);
    const [first, second] = [entry(1, "a"), entry(2, "b")];
    lanes.add(first);
    lanes.add(second);
    expect([lanes.ready, lanes.running, lanes.held, lanes.size]).toEqual([2, 0, 0, 2]);
    expect([lanes.has("a"), lanes.has("c")]).toEqual([true, false]);
    lanes.hold(second);
    lanes.hold(entry(9, "nowhere"));
    lanes.retry(entry(9, "nowhere"), 5);
    expect([lanes.ready, lanes.running, lanes.held]).toEqual([2, 0, 0]);
    expect(lanes.next(0)).toEqual(first);
    lanes.hold(first);
    expect([lanes.ready, lanes.running, lanes.held]).toEqual([1, 0, 1]);
    lanes.finish(first);
    expect(lanes.has("a")).toBe(false);
    expect([lanes.ready, lanes.running, lanes.held, lanes.size]).toEqual([1, 0, 0, 1]);
  });

  it("do not name a wake-up that is past, also when no slot is free", () => {
    const lanes = createLanes(() => 1);
    lanes.add(entry(1, "a"), 50);
    lanes.add(entry(2, "b"));
    expect(lanes.next(0)?.id).toBe(2);
    expect(lanes.nextWake(60)).toBeUndefined();
    lanes.finish(entry(2, "b"));
    expect(lanes.next(60)?.id).toBe(1);
  });

  it("free the slot but not the lane of a command that is held", () => {
    const lanes = createLanes(() => 1);
    for (const one of [entry(1, "a"), entry(2, "a"), entry(3, "b")]) lanes.add(one);
    lanes.next(0);
    lanes.hold(entry(1, "a"));
    expect([lanes.running, lanes.held]).toEqual([0, 1]);
    expect(lanes.next(0)?.id).toBe(3);
    lanes.finish(entry(1, "a"));
    lanes.finish(entry(3, "b"));
    expect(lanes.next(0)?.id).toBe(2);
  });

  it("forget a command wherever it stands", () => {
    const lanes = createLanes(() => 1);
    for (const one of [entry(1, "a"), entry(2, "a"), entry(3, "a"), entry(4, "b"), entry(5, "c")]) lanes.add(one);
    lanes.finish(entry(2, "a"));
    lanes.finish(entry(4, "b"));
    lanes.finish(entry(99, "a"));
    lanes.finish(entry(99, "nowhere"));
    expect(lanes.size).toBe(3);
    const order: number[] = [];
    for (let next = lanes.next(0); next !== undefined; next = lanes.next(0)) {
      order.push(next.id);
      lanes.finish(next);
    }
    expect(order).toEqual([1, 5, 3]);
    expect(lanes.size).toBe(0);
  });

  it("give each producer its turn, however many conversations another one has", () => {
    const lanes = createLanes(() => 1);
    for (let n = 0; n < 1_000; n += 1) lanes.add(entry(n, `flood-${n}`, "flooder"));
    lanes.add(entry(5_000, "quiet", "quiet"));
    const order: number[] = [];
    for (let n = 0; n < 3; n += 1) {
      const next = lanes.next(0);
      if (next === undefined) break;
      order.push(next.id);
      lanes.finish(next);
    }
    expect(order).toContain(5_000);
  });

  it("give each conversation of a producer its turn", () => {
    const lanes = createLanes(() => 1);
    for (let n = 0; n < 100; n += 1) lanes.add(entry(n, "long"));
    lanes.add(entry(1_000, "short"));
    const order = [lanes.next(0)];
    lanes.finish(entry(0, "long"));
    order.push(lanes.next(0));
    expect(order.map((one) => one?.id)).toEqual([0, 1_000]);
  });

  it("keep order, slots and turns under any history", () => {
    const action = fc.oneof(
      {
        weight: 4,
        arbitrary: fc.record({
          kind: fc.constant("add" as const),
          lane: fc.nat(4),
          producer: fc.nat(2),
          wake: fc.nat(3),
        }),
      },
      { weight: 5, arbitrary: fc.record({ kind: fc.constant("next" as const) }) },
      {
        weight: 4,
        arbitrary: fc.record({
          kind: fc.constantFrom("finish" as const, "retry" as const, "hold" as const),
          which: fc.nat(5),
          wake: fc.nat(20),
        }),
      },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant("remove" as const), which: fc.nat(30) }) },
    );
    fc.assert(
      fc.property(fc.array(action, { maxLength: 150 }), fc.integer({ min: 1, max: 4 }), (actions, slots) => {
        const lanes = createLanes(() => slots);
        const queued = new Map<string, LaneEntry[]>();
        const taken: LaneEntry[] = [];
        const held = new Set<number>();
        let now = 0;
        let id = 0;
        const gone = (one: LaneEntry): void => {
          const queue = queued.get(one.lane) ?? [];
          queue.splice(
            queue.findIndex((other) => other.id === one.id),
            1,
          );
          held.delete(one.id);
        };
        for (const act of actions) {
          now += 1;
          if (act.kind === "add") {
            const one = entry((id += 1), `${act.producer}/${act.lane}`, String(act.producer));
            queued.set(one.lane, [...(queued.get(one.lane) ?? []), one]);
            lanes.add(one, act.wake === 0 ? 0 : now + act.wake);
          } else if (act.kind === "next") {
            const free = taken.filter((one) => !held.has(one.id)).length < slots;
            const one = lanes.next(now);
            if (one === undefined) continue;
            expect(free).toBe(true);
            expect(taken.some((other) => other.lane === one.lane)).toBe(false);
            expect(queued.get(one.lane)?.[0]).toEqual(one);
            taken.push(one);
          } else if (act.kind === "remove") {
            const all = [...queued.values()].flat().filter((one) => !taken.includes(one));
            const one = all[act.which % Math.max(all.length, 1)];
            if (one === undefined) continue;
            lanes.finish(one);
            gone(one);
          } else {
            const one = taken[act.which];
            if (one === undefined) continue;
            if (act.kind === "hold") {
              lanes.hold(one);
              held.add(one.id);
              continue;
            }
            taken.splice(taken.indexOf(one), 1);
            if (act.kind === "finish") {
              lanes.finish(one);
              gone(one);
            } else {
              lanes.retry(one, now + act.wake);
              held.delete(one.id);
            }
          }
          expect(lanes.size).toBe([...queued.values()].flat().length);
          expect(lanes.held).toBe(held.size);
          expect(lanes.running).toBe(taken.length - held.size);
        }
        // Nothing is ever stuck: once all that run are done, everything comes out.
        for (const one of taken) {
          lanes.finish(one);
          gone(one);
        }
        for (let next = lanes.next(now + 1_000); next !== undefined; next = lanes.next(now + 1_000)) {
          lanes.finish(next);
          gone(next);
        }
        expect(lanes.size).toBe(0);
        expect([...queued.values()].flat()).toEqual([]);
      }),
      { numRuns: 400 },
    );
  });

  it("take as long for the next command of a long queue as of a short one", () => {
    // Counted, not timed: a queue that copied itself on each step would not come back from this.
    const lanes = createLanes(() => 1);
    for (let n = 0; n < 200_000; n += 1) lanes.add(entry(n, n % 2 === 0 ? "long" : `lane-${n}`, `p${n % 7}`));
    let done = 0;
    for (let next = lanes.next(0); next !== undefined; next = lanes.next(0)) {
      lanes.finish(next);
      done += 1;
    }
    expect(done).toBe(200_000);
  });
});

describe("the heap of delays", () => {
  it("gives the smallest first, whatever was removed from its middle", () => {
    fc.assert(
      fc.property(fc.array(fc.record({ at: fc.nat(50), remove: fc.boolean() }), { size: "+1" }), (items) => {
        const heap = createHeap<{ at: number; remove: boolean }>((a, b) => a.at - b.at);
        for (const item of items) heap.push(item);
        for (const item of items) if (item.remove) expect(heap.remove(item)).toBe(true);
        for (const item of items) if (item.remove) expect(heap.remove(item)).toBe(false);
        const order: number[] = [];
        for (let next = heap.pop(); next !== undefined; next = heap.pop()) order.push(next.at);
        expect(order).toEqual(
          items
            .filter((item) => !item.remove)
            .map((item) => item.at)
            .sort((a, b) => a - b),
        );
        expect(heap.size).toBe(0);
      }),
    );
  });
});

describe("the queue", () => {
  it("is first in, first out, through growth, and lets go from its middle", () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.constant("shift" as const), fc.nat(9)), { maxLength: 400 }), (steps) => {
        const queue = new Fifo<number>();
        const model: number[] = [];
        for (const step of steps) {
          if (step === "shift") expect(queue.shift()).toBe(model.shift());
          else if (step === 9) {
            const at = model.indexOf(4);
            if (at >= 0) model.splice(at, 1);
            expect(queue.removeFirst((item) => item === 4)).toBe(at < 0 ? undefined : 4);
          } else {
            queue.push(step);
            model.push(step);
          }
          expect(queue.size).toBe(model.length);
          expect(queue.peek()).toBe(model[0]);
        }
      }),
    );
  });
});
