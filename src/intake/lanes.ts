/**
 * Owns the order in which commands run. Pure: no clock, no disk.
 *
 * Commands of one conversation form a lane and run strictly one after the other. A lane is *ready* (its first command
 * may start), *running* (it holds one of the slots), *held* (its first command waits for the host, without a slot), or
 * *delayed* (its first command waits for its next attempt). Ready lanes stand in a queue per producer, and producers
 * take turns, so neither a conversation with a thousand commands nor a producer with a thousand conversations makes
 * another one wait for more than its turn.
 *
 *   ready -> running -> ready, or gone when nothing is left
 *                    -> held    -> ready, or gone | delayed
 *                    -> delayed -> ready
 */

import { Fifo } from "../replies/fifo.ts";
import { createHeap } from "./heap.ts";

export interface LaneEntry {
  readonly id: number;
  readonly lane: string;
  readonly producer: string;
}

interface Lane {
  readonly key: string;
  readonly producer: Producer;
  /** The current command first. */
  readonly queue: Fifo<LaneEntry>;
  /** `idle` only for the moment between two states. */
  state: "ready" | "running" | "held" | "delayed" | "idle";
  /** When a delayed lane becomes ready. */
  wakeAt: number;
  /** Rises with each change of state: a place in a queue of ready lanes is good only while it is unchanged. */
  turn: number;
}

interface Producer {
  readonly key: string;
  readonly ready: Fifo<{ readonly lane: Lane; readonly turn: number }>;
  lanes: number;
  /** Whether it stands in the queue of producers. */
  queued: boolean;
}

export interface Lanes {
  /** Commands known, running and held ones included. */
  readonly size: number;
  readonly running: number;
  readonly held: number;
  /** Lanes whose first command could start. */
  readonly ready: number;
  /** Whether a command of this lane is known. */
  has(lane: string): boolean;
  /** Adds a command at the end of its lane. `wakeAt`: if it comes first there, it may not start before. */
  add(entry: LaneEntry, wakeAt?: number): void;
  /** The next command to start, which then holds a slot; undefined when there is none, or no slot. */
  next(now: number): LaneEntry | undefined;
  /** The running command waits for the host: its slot is free, its lane is not. */
  hold(entry: LaneEntry): void;
  /** The command waits until `wakeAt` for another attempt. */
  retry(entry: LaneEntry, wakeAt: number): void;
  /** The command is done with, whatever it was doing. */
  finish(entry: LaneEntry): void;
  /** When, after `now`, the next delayed lane becomes ready; undefined when none is delayed. */
  nextWake(now: number): number | undefined;
}

/** @param maxConcurrency How many commands may hold a slot at once; asked each time one could start. */
export function createLanes(maxConcurrency: () => number): Lanes {
  const lanes = new Map<string, Lane>();
  const producers = new Map<string, Producer>();
  const turns = new Fifo<Producer>();
  const delayed = createHeap<Lane>((a, b) => a.wakeAt - b.wakeAt);
  const count = { size: 0, running: 0, held: 0, ready: 0 };

  const setState = (lane: Lane, state: Lane["state"]): void => {
    if (isCounted(lane.state)) count[lane.state] -= 1;
    if (lane.state === "delayed") delayed.remove(lane);
    lane.state = state;
    lane.turn += 1;
    if (isCounted(state)) count[state] += 1;
    if (state === "ready") {
      lane.producer.ready.push({ lane, turn: lane.turn });
      stand(lane.producer);
    }
  };

  const stand = (producer: Producer): void => {
    if (producer.queued || producer.ready.size === 0) return;
    producer.queued = true;
    turns.push(producer);
  };

  const delay = (lane: Lane, wakeAt: number): void => {
    setState(lane, "idle");
    lane.wakeAt = wakeAt;
    setState(lane, "delayed");
    delayed.push(lane);
  };

  const producerOf = (key: string): Producer => {
    let producer = producers.get(key);
    if (producer === undefined) {
      producer = { key, ready: new Fifo(), lanes: 0, queued: false };
      producers.set(key, producer);
    }
    return producer;
  };

  const openLane = (entry: LaneEntry): Lane => {
    const producer = producerOf(entry.producer);
    producer.lanes += 1;
    const lane: Lane = { key: entry.lane, producer, queue: new Fifo(), state: "idle", wakeAt: 0, turn: 0 };
    lanes.set(lane.key, lane);
    return lane;
  };

  const closeLane = (lane: Lane): void => {
    setState(lane, "idle");
    lanes.delete(lane.key);
    lane.producer.lanes -= 1;
    if (lane.producer.lanes === 0) producers.delete(lane.producer.key);
  };

  /** The lane of which `entry` is the current command. */
  const laneOf = (entry: LaneEntry): Lane | undefined => {
    const lane = lanes.get(entry.lane);
    return lane?.queue.peek()?.id === entry.id ? lane : undefined;
  };

  const wake = (now: number): void => {
    for (let lane = delayed.peek(); lane !== undefined && lane.wakeAt <= now; lane = delayed.peek()) {
      setState(lane, "ready");
    }
  };

  /** Takes the first lane of a producer that is still ready. */
  const takeReady = (producer: Producer): Lane | undefined => {
    for (let place = producer.ready.shift(); place !== undefined; place = producer.ready.shift()) {
      if (place.lane.turn === place.turn) return place.lane;
    }
    return undefined;
  };

  return {
    get size() {
      return count.size;
    },
    get running() {
      return count.running;
    },
    get held() {
      return count.held;
    },
    get ready() {
      return count.ready;
    },
    has: (lane) => lanes.has(lane),
    add(entry, wakeAt = 0) {
      count.size += 1;
      const known = lanes.get(entry.lane);
      const lane = known ?? openLane(entry);
      lane.queue.push(entry);
      if (known !== undefined) return;
      if (wakeAt > 0) delay(lane, wakeAt);
      else setState(lane, "ready");
    },
    next(now) {
      wake(now);
      if (count.running >= maxConcurrency()) return undefined;
      for (let producer = turns.shift(); producer !== undefined; producer = turns.shift()) {
        producer.queued = false;
        const lane = takeReady(producer);
        // Whoever has more to do goes to the end of the queue.
        stand(producer);
        if (lane === undefined) continue;
        setState(lane, "running");
        return lane.queue.peek();
      }
      return undefined;
    },
    hold(entry) {
      const lane = laneOf(entry);
      if (lane?.state === "running") setState(lane, "held");
    },
    retry(entry, wakeAt) {
      const lane = laneOf(entry);
      if (lane !== undefined) delay(lane, wakeAt);
    },
    finish(entry) {
      const lane = laneOf(entry);
      if (lane === undefined) {
        if (lanes.get(entry.lane)?.queue.removeFirst((queued) => queued.id === entry.id)) count.size -= 1;
        return;
      }
      lane.queue.shift();
      count.size -= 1;
      if (lane.queue.size === 0) closeLane(lane);
      else setState(lane, "ready");
    },
    nextWake(now) {
      wake(now);
      return delayed.peek()?.wakeAt;
    },
  };
}

function isCounted(state: Lane["state"]): state is "running" | "held" | "ready" {
  return state === "running" || state === "held" || state === "ready";
}
