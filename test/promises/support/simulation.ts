/**
 * One run of the delivery core in a world made of chance: publishers, a lossy network, a host with a will of its own, a
 * disk that fills up, and a process that is killed, stopped and started again. First a storm, then calm; in the end the
 * promises are checked over everything that happened.
 */

import { createDelivery, type Delivery } from "../../../src/intake/delivery.ts";
import { commandIdOf, parseEvent } from "../../../src/intake/command.ts";
import { journalOver } from "../../../src/journal/over.ts";
import { AgentruxError } from "../../../src/errors.ts";
import type { Clock, Log } from "../../../src/replies/ports.ts";
import type { TopicEvent } from "../../../src/service/types.ts";
import type { Journal } from "../../../src/journal/types.ts";
import { FakeClock } from "./fake-clock.ts";
import { apply, MemoryJournal } from "./memory-journal.ts";
import { diceOf } from "./random.ts";
import { SimHost } from "./sim-host.ts";
import { SimServer } from "./sim-server.ts";

const TOPIC = "11111111-1111-4111-8111-111111111111";
const STORM_MS = 60_000;
const CALM_LIMIT_MS = 6 * 3_600_000;
const MAX_ATTEMPTS = 3;
const SILENT: Log = { info: () => {}, warn: () => {}, error: () => {} };

export interface SimulationOptions {
  readonly seed: number;
  readonly log?: Log;
}

export interface SimulationResult {
  readonly violations: readonly string[];
  readonly commands: number;
  readonly turns: number;
  readonly crashes: number;
  readonly virtualMs: number;
}

interface Life {
  alive: boolean;
  started: boolean;
  readonly delivery: Delivery;
  readonly stopIntake: AbortController;
}

export async function simulate({ seed, log = SILENT }: SimulationOptions): Promise<SimulationResult> {
  const dice = diceOf(seed);
  const clock = new FakeClock();
  const disk = new MemoryJournal();
  const server = new SimServer(clock, dice, dice.chance(0.5));
  const maxConcurrency = dice.int(1, 4);
  const host = new SimHost(clock, dice, maxConcurrency);
  const topic: TopicEvent[] = [];
  const violations: string[] = [];
  const maxOpen = dice.int(3, 20);
  const pageSize = dice.int(1, 5);
  let waterline = 0;
  let stormy = true;
  let diskFull = false;
  let crashes = 0;

  const publish = (): void => {
    const producer = dice.chance(0.2) ? undefined : `scr_${dice.int(1, 3)}`;
    const earlier = topic.length > 0 && dice.chance(0.1) ? dice.pick(topic) : undefined;
    const position = topic.length + 1;
    const odd = dice.chance(0.1);
    const payload = odd
      ? dice.pick<unknown>([null, {}, { message: { no: "text" } }, { message: "hop", trace: { hops: 9 } }, { text: 7 }])
      : {
          message: `m${position}`,
          conversation_key: `c${dice.int(1, 3)}`,
          ...(dice.chance(0.5) ? { request_id: `r${position}` } : {}),
        };
    topic.push({
      topicId: TOPIC,
      eventId: `evt_${seed}-${position}`,
      cursor: String(position),
      type: dice.chance(0.05) ? "openclaw.response" : "openclaw.request",
      payload: earlier === undefined ? payload : earlier.payload,
      ...(earlier === undefined
        ? producer === undefined
          ? {}
          : { producer }
        : earlier.producer === undefined
          ? {}
          : { producer: earlier.producer }),
    });
  };

  const journalFor = (life: { alive: boolean }): Journal => {
    let freeAt = 0;
    return journalOver(
      (operation, args) =>
        new Promise((resolve, reject) => {
          // In order of arrival, like the real one; each takes as long as the disk likes.
          freeAt = Math.max(freeAt, clock.monotonic()) + (dice.chance(0.3) ? dice.int(0, 8) : 0);
          clock.after(freeAt - clock.monotonic(), () => {
            if (!life.alive) return;
            if (diskFull) {
              reject(new AgentruxError("disk", "The disk is full.", { retryable: true }));
              return;
            }
            const value = apply(disk, operation, args);
            // A crash may come between the write and its being known.
            if (dice.chance(0.2)) clock.after(dice.int(0, 3), () => life.alive && resolve(value));
            else resolve(value);
          });
        }),
    );
  };

  const lifeClock = (life: { alive: boolean }): Clock => ({
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    after: (delayMs, callback) => clock.after(delayMs, () => life.alive && callback()),
  });

  const begin = (): Life => {
    const mortal = { alive: true, started: false };
    const own = lifeClock(mortal);
    const delivery = createDelivery({
      journal: journalFor(mortal),
      runner: host.runner(() => mortal.alive),
      channel: server.channel(() => mortal.alive),
      log,
      maxConcurrency,
      turnTimeoutMs: 2_000,
      maxAttempts: MAX_ATTEMPTS,
      maxOpen,
      maxUnsent: 6,
      retry: { baseMs: 50, capMs: 1_000 },
      clock: own,
      random: dice.next,
    });
    const life: Life = Object.assign(mortal, { delivery, stopIntake: new AbortController() });
    host.say = (address, text) => {
      if (life.alive) void delivery.acceptHostReply(address, text, []);
    };
    void run(life, own);
    return life;
  };

  const wait = (own: Clock, ms: number): Promise<void> => new Promise((resolve) => void own.after(ms, resolve));

  const run = async (life: Life, own: Clock): Promise<void> => {
    await life.delivery.start();
    life.started = true;
    const signal = life.stopIntake.signal;
    let position = waterline;
    while (!signal.aborted) {
      const events = topic.slice(position, position + pageSize);
      if (events.length === 0) {
        await wait(own, 200);
        continue;
      }
      const end = position + events.length;
      try {
        await life.delivery.admit({ topicId: TOPIC, events, position: String(end) }, signal);
      } catch {
        await wait(own, 300);
        continue;
      }
      position = end;
      if (dice.chance(0.3)) await wait(own, dice.int(1, 20));
      waterline = end;
      checkWaterline();
      // A cursor that expired: everything retained is read again.
      if (stormy && dice.chance(0.03)) position = dice.int(0, position);
      const backlog = life.delivery.snapshot();
      if (backlog.backlog + backlog.unsentReplies > maxOpen + pageSize) violations.push(`backlog ${backlog.backlog}`);
    }
  };

  const checkWaterline = (): void => {
    for (const event of topic.slice(0, waterline)) {
      const parsed = parseEvent(event);
      if (parsed.kind !== "command" || disk.seen.has(parsed.command.commandId)) continue;
      const repeats = parsed.requestIdGiven;
      if (!repeats) violations.push(`waterline ${waterline} is past ${event.eventId}, which is not in the journal`);
    }
  };

  let life = begin();
  const kill = (): void => {
    crashes += 1;
    life.alive = false;
    life.stopIntake.abort();
    host.crash();
  };
  const restart = async (): Promise<void> => {
    if (dice.chance(0.6)) {
      kill();
      await clock.advance(dice.int(1_000, 5_000));
    } else {
      life.stopIntake.abort();
      let stopped = false;
      void life.delivery.stop(dice.int(0, 3_000)).then(() => {
        stopped = true;
        return undefined;
      });
      const before = clock.monotonic();
      await clock.until(() => stopped, 30_000);
      if (clock.monotonic() - before > 3_000 + 1_000) violations.push("a stop took longer than its deadline");
      // The process usually ends with the account; turns that were left behind end with it.
      kill();
    }
    life = begin();
  };

  const storms: (() => void | Promise<void>)[] = [
    publish,
    publish,
    publish,
    publish,
    () => {
      diskFull = !diskFull && dice.chance(0.5);
    },
    () => {
      host.draining = !host.draining && dice.chance(0.4);
    },
    () => {
      clock.wallOffset += dice.pick([-86_400_000, 86_400_000, 0, 0, 0]);
    },
    restart,
  ];
  while (clock.monotonic() < STORM_MS) {
    await dice.pick(storms)();
    await clock.advance(dice.int(0, 4_000));
  }

  stormy = false;
  diskFull = false;
  host.stormy = false;
  host.draining = false;
  server.stormy = false;
  const idle = (): boolean => {
    if (!life.started || waterline < topic.length) return false;
    const { backlog, unsentReplies } = life.delivery.snapshot();
    return backlog === 0 && unsentReplies === 0;
  };
  try {
    await clock.until(idle, CALM_LIMIT_MS);
  } catch {
    violations.push(
      `something is stuck: ${JSON.stringify(life.delivery.snapshot())}, waterline ${waterline} of ${topic.length}`,
    );
  }
  life.alive = false;

  violations.push(
    ...host.violations,
    ...checkReplies(topic, server),
    ...checkOrder(topic, host),
    ...checkAttempts(host),
  );
  return { violations, commands: topic.length, turns: host.starts.length, crashes, virtualMs: clock.monotonic() };
}

/** Exactly one terminal reply for each request, none for anything else. */
function checkReplies(topic: readonly TopicEvent[], server: SimServer): string[] {
  const expected = new Set<string>();
  const requests = new Set<string>();
  for (const event of topic) {
    const parsed = parseEvent(event);
    if (parsed.kind === "ignored") continue;
    const { command } = parsed;
    const key = `${command.producer ?? ""}/${command.requestId}`;
    if (parsed.requestIdGiven && requests.has(key)) continue;
    if (parsed.requestIdGiven) requests.add(key);
    expected.add(command.commandId);
  }
  const found = new Map<string, number>();
  for (const { payload } of server.stored) {
    if (payload["final"] !== true) continue;
    const { id } = payload["trace"] as { id: string };
    found.set(id, (found.get(id) ?? 0) + 1);
  }
  const violations: string[] = [];
  for (const id of expected) {
    const times = found.get(id) ?? 0;
    if (times !== 1) violations.push(`command ${id} has ${times} terminal replies`);
  }
  for (const id of found.keys()) if (!expected.has(id)) violations.push(`a reply nobody asked for: ${id}`);
  return violations;
}

/** Within a conversation the commands start in the order of the topic. */
function checkOrder(topic: readonly TopicEvent[], host: SimHost): string[] {
  const place = new Map(topic.map((event, index) => [commandIdOf(event.topicId, event.eventId), index]));
  const latest = new Map<string, number>();
  const violations: string[] = [];
  for (const start of host.starts) {
    const at = place.get(start.commandId) ?? -1;
    const before = latest.get(start.lane) ?? -1;
    if (at < before) violations.push(`${start.address} starts after a later command of its conversation`);
    latest.set(start.lane, Math.max(at, before));
  }
  return violations;
}

/** No address is used twice. */
function checkAttempts(host: SimHost): string[] {
  const seen = new Set<string>();
  return host.starts.flatMap(({ address }) => {
    if (!seen.has(address)) {
      seen.add(address);
      return [];
    }
    return [`address ${address} was used twice`];
  });
}
