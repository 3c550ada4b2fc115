/**
 * What no publisher, server or line can do by what it sends: stop the intake, hide a good neighbour, make anything
 * throw. Every failure names its seed; FUZZ_SEED=4711 runs that one again, FUZZ_RUNS=10 takes ten times as long.
 */

import { Readable } from "node:stream";
import { ERROR_TEXT_MAX_LENGTH } from "agentrux-wire";
import * as fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { AgentruxError } from "../../src/errors.ts";
import { MAX_MESSAGE_CHARS, parseEvent } from "../../src/intake/command.ts";
import { startIntake } from "../../src/intake/intake.ts";
import { Waterline } from "../../src/intake/waterline.ts";
import { NO_POSITIONS } from "../../src/intake/positions.ts";
import { pause } from "../../src/replies/ports.ts";
import { dialectA } from "../../src/service/dialects/a.ts";
import { dialectB } from "../../src/service/dialects/b.ts";
import { refusal } from "../../src/service/http-errors.ts";
import { MAX_LIFETIME_MS } from "../../src/service/lifetime.ts";
import { RETRY_AFTER_MAX_MS } from "../../src/service/retry-after.ts";
import { runConnection } from "../../src/service/stream-connection.ts";
import { tokenEndpoints } from "../../src/service/token-endpoints.ts";
import { createObject, objectInfo } from "../../src/service/payloads.ts";
import { authorisedHttp } from "../../src/service/authorised.ts";
import { publish } from "../../src/service/events.ts";
import { Bench, replied, TOPIC } from "./support/bench.ts";
import { answerOf, clientOf, FREE_TOKENS, httpOver } from "./support/fuzzed-service.ts";
import { terminalReplies, violations, wholeTopic } from "../support/checker.ts";
import { rawPublisher } from "../support/raw-publisher.ts";
import { Flow } from "../support/wire-flow.ts";
import {
  brokenText,
  HOSTILE_BODIES,
  hostileBody,
  hostileFrameBytes,
  hostileItem,
  hostilePayload,
  hostileRefusal,
  hostileSuccess,
  hostileText,
  hostileValue,
} from "./support/hostile.ts";

const SEED = Number(process.env["FUZZ_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const RUNS = Number(process.env["FUZZ_RUNS"] ?? 1);
const WANTED = 100_000;
const HOSTILE_EVENTS = 200;

vi.setConfig({ testTimeout: 120_000 * RUNS });

let fed = 0;
const runs = (numRuns: number): { readonly seed: number; readonly numRuns: number } => ({
  seed: SEED,
  numRuns: numRuns * RUNS,
});
const NEVER = new AbortController().signal;

interface Placed {
  readonly good: boolean;
  readonly item: unknown;
  /** Whether the item tells its place in a way that can be read. */
  readonly placed: boolean;
}

function placed(generation: "a" | "b"): fc.Arbitrary<Placed> {
  return fc.record({
    good: fc.integer({ min: 0, max: 9 }).map((roll) => roll === 0),
    item: hostileItem[generation],
    placed: fc.boolean(),
  });
}

/** Whether an item is surely no event. */
const isMalformed = ({ good, item }: Placed): boolean => !good && (typeof item !== "object" || item === null);

const idOf = (place: number): string => `0198c0de-0000-7000-8000-${String(place).padStart(12, "0")}`;

/** The item at `place` of a topic, counted from 1, as the server would send it. */
function wireItem(generation: "a" | "b", { good, item, placed: isPlaced }: Placed, place: number): string {
  const request = { request_id: `good-${place}`, conversation_key: `c${place % 5}`, message: `good ${place}` };
  const numbered = generation === "a" ? { sequence_no: place } : { cursor: `c${place}` };
  if (good) {
    const type = generation === "a" ? { type: "openclaw.request" } : { event_type: "openclaw.request" };
    return JSON.stringify({ event_id: idOf(place), ...type, ...numbered, payload: request });
  }
  const isObject = typeof item === "object" && item !== null && !Array.isArray(item);
  return JSON.stringify(isObject && isPlaced ? { ...item, ...numbered } : item);
}

describe(`fuzz (FUZZ_SEED=${SEED})`, () => {
  it("an event of any content is read as something", () => {
    fc.assert(
      fc.property(hostilePayload, hostileText, hostileText, hostileValue, (payload, eventId, type, metadata) => {
        fed += 1;
        const event = {
          topicId: TOPIC,
          eventId,
          cursor: "1",
          type,
          payload,
          metadata: metadata as Record<string, unknown>,
        };
        const parsed = parseEvent(event, { ownScriptId: "scr_1" });
        if (parsed.kind === "ignored") return;
        const { command } = parsed;
        expect(command.commandId).toMatch(/^[0-9a-f]{32}$/);
        expect(command.message.length).toBeLessThanOrEqual(MAX_MESSAGE_CHARS);
        expect(Number.isSafeInteger(command.hops)).toBe(true);
        expect(JSON.parse(JSON.stringify(command))).toEqual(command);
      }),
      runs(32_000),
    );
  });

  describe.each(["a", "b"] as const)("in generation %s", (generation) => {
    it("a topic of hostile events behind failing answers is read to its end, and every good neighbour answered", async () => {
      const property = fc.asyncProperty(
        fc.array(placed(generation), { minLength: 100, maxLength: 700 }),
        fc.array(fc.oneof(hostileRefusal, hostileSuccess), { maxLength: 10 }),
        async (items, failures) => {
          fed += items.length + failures.length;
          const wire = items.map((item, index) => wireItem(generation, item, index + 1));
          const good = items.flatMap((item, index) => (item.good ? [`good-${index + 1}`] : []));
          const bench = await new Bench({ maxConcurrency: 16 }).start();
          bench.auto = ({ command }) => replied(command.message);
          const waterline = await Waterline.open({
            store: {
              load: () => Promise.resolve({ positions: NO_POSITIONS, findings: [] }),
              save: () => Promise.resolve(),
            },
            generation,
            onProblem: () => undefined,
          });
          const client = clientOf({ generation, items: wire, failures });
          let wasHealthy = 0;
          const intake = startIntake({
            topicId: TOPIC,
            client,
            waterline,
            admit: bench.delivery.admit,
            startFrom: "earliest",
            excludeSelf: true,
            pollIntervalMs: 1_000,
            onTrouble: () => undefined,
            onHealthy: () => (wasHealthy += 1),
            log: bench.log,
            clock: bench.clock,
            sleep: async (ms, signal) => {
              await pause(bench.clock, ms, signal);
              signal.throwIfAborted();
            },
            random: () => 0.5,
          });
          const end = generation === "a" ? String(wire.length) : `c${wire.length}`;
          await bench.clock.until(() => {
            const { backlog, unsentReplies } = bench.delivery.snapshot();
            const { position, failures: inARow } = intake.health();
            const atEnd = position === end && inARow === 0 && wasHealthy > 0;
            return atEnd && client.failed() === failures.length && backlog === 0 && unsentReplies === 0;
          }, 50 * 86_400_000);
          const answered = bench.replies.map(({ requestId }) => requestId).filter((id) => id.startsWith("good-"));
          expect(answered.toSorted()).toEqual(good.toSorted());
          const { admitted, malformed } = intake.health();
          // At least: a position that has aged out has the topic read again.
          expect(admitted + malformed).toBeGreaterThanOrEqual(items.length);
          expect(malformed).toBeGreaterThanOrEqual(items.filter(isMalformed).length);
          await Promise.all([intake.stop(), bench.clock.advance(10_000)]);
        },
      );
      await fc.assert(property, runs(100));
    });

    it("good hints are heard among frames of any bytes, cut anywhere", async () => {
      const property = fc.asyncProperty(
        fc.array(hostileFrameBytes, { minLength: 10, maxLength: 40 }),
        fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 5, maxLength: 20 }),
        async (frames, cuts) => {
          fed += frames.length;
          const hints = frames.map((_, index) => (generation === "a" ? String(index + 1) : `c${index + 1}`));
          const bytes = Buffer.concat(
            frames.flatMap((frame, index) => [
              frame,
              Buffer.from(
                generation === "a"
                  ? `data: {"latest_sequence_no":${hints[index]}}\n\n`
                  : `event: hint\ndata: {"cursor":"${hints[index]}"}\n\n`,
              ),
            ]),
          );
          const heard = await listen(generation, pieces(bytes, cuts));
          expect(heard.reason).toMatchObject({ name: "AgentruxError", code: "network" });
          let next = 0;
          for (const position of heard.positions) if (position === hints[next]) next += 1;
          expect(next).toBe(hints.length);
        },
      );
      await fc.assert(property, runs(250));
    });

    it("a stream of any bytes ends, and never throws out", async () => {
      const property = fc.asyncProperty(
        fc.array(
          fc.oneof(
            fc.uint8Array({ maxLength: 60 }),
            brokenText.map((text) => Buffer.from(text)),
            hostileFrameBytes,
          ),
          {
            minLength: 1,
            maxLength: 20,
          },
        ),
        hostileValue,
        async (chunks, code) => {
          fed += chunks.length;
          const error = Buffer.from(`\n\nevent: error\ndata: ${JSON.stringify({ code, reason: code })}\n\n`);
          const { reason } = await listen(generation, [...chunks.map((chunk) => Buffer.from(chunk)), error]);
          expect(reason).toBeInstanceOf(AgentruxError);
          expect(reason.retryable).toBe(true);
        },
      );
      await fc.assert(property, runs(300));
    });

    it("an answer of any status and content is an answer or an error of ours", async () => {
      const dialect = generation === "a" ? dialectA : dialectB;
      const signal = NEVER;
      const property = fc.asyncProperty(fc.oneof(hostileSuccess, hostileRefusal), async (answer) => {
        fed += 1;
        const http = httpOver(() => answer);
        const authorised = authorisedHttp(http, FREE_TOKENS);
        const credentials = {
          generation,
          baseUrl: http.baseUrl,
          clientId: "scr_1",
          clientSecret: "aks_not-to-be-told",
        };
        const endpoints = tokenEndpoints(http, credentials);
        const bytes = new Uint8Array(1);
        const calls = [
          publish(authorised, dialect, { topicId: TOPIC, type: "t", payload: {}, signal }),
          objectInfo(authorised, dialect, { topicId: TOPIC, objectId: "o", signal }),
          createObject(authorised, http, dialect, { topicId: TOPIC, bytes, contentType: "text/plain", signal }),
          endpoints.bySecret(signal),
          endpoints.byRefresh("art_not-to-be-told", signal),
          endpoints.rotate(signal),
        ];
        const results = await Promise.allSettled(calls);
        expect(results.map(faultOf)).toEqual(calls.map(() => "none"));
      });
      await fc.assert(property, runs(4_000));
    });
  });

  it("an error body of any content becomes one short line, without what must not be told", () => {
    const secret = "plain-secret-0123456789";
    fc.assert(
      fc.property(hostileRefusal, fc.boolean(), hostileText, (answer, echoes, before) => {
        fed += 1;
        const text = echoes ? JSON.stringify({ error: { code: secret, message: `${before} ${secret}` } }) : answer.text;
        const error = refusal(answerOf({ ...answer, text }), "GET /topics/t/events", [secret]);
        expect(error.message.length).toBeLessThanOrEqual(2 * ERROR_TEXT_MAX_LENGTH + 100);
        expect(error.message).not.toMatch(/[\p{Cc}\u2028\u2029]/u);
        expect(`${error.message} ${error.serviceCode}`).not.toContain(secret);
        expect(error.retryAfterMs ?? 0).toBeLessThanOrEqual(RETRY_AFTER_MAX_MS);
      }),
      runs(20_000),
    );
  });

  it("hostile events of a real hub stop no real account, and every good neighbour is answered", async () => {
    const bodies = [...HOSTILE_BODIES, ...fc.sample(hostileBody, { seed: SEED, numRuns: HOSTILE_EVENTS })];
    const flow = await Flow.start({ settings: { maxConcurrency: 16 } });
    try {
      const raw = await rawPublisher(flow.place);
      const statuses: number[] = [];
      for (const [index, body] of bodies.entries()) {
        statuses.push(await raw.post(body));
        if (index % 5 === 0) await flow.ask(1);
      }
      // The hub takes them or says what is wrong with them.
      expect(statuses.filter((status) => status >= 500)).toEqual([]);
      expect(new Set(statuses.slice(0, HOSTILE_BODIES.length))).toEqual(new Set([201]));
      const taken = statuses.filter((status) => status === 201).length;
      expect(taken).toBeGreaterThanOrEqual(HOSTILE_EVENTS);
      await flow.settled();

      const results = await wholeTopic(flow.place.client, flow.place.keys.resultTopicId);
      const own = new Set<unknown>(flow.asked.map(({ requestId }) => requestId));
      expect(
        violations(
          flow.asked,
          results.filter((result) => own.has(result["request_id"])),
        ),
      ).toEqual([]);
      const terminal = terminalReplies(results).map((reply) => reply["request_id"]);
      expect(terminal.filter((id, index) => terminal.indexOf(id) < index)).toEqual([]);
      const { commands, ignored, rejected, repeatedRequests, malformed } = { ...flow.running.account?.health() };
      const counted = [commands, ignored, rejected, repeatedRequests, malformed].map(Number);
      expect(counted.reduce((sum, count) => sum + count)).toBe(taken + flow.asked.length);
      expect(flow.running.states.filter(({ kind }) => kind !== "starting" && kind !== "ready")).toEqual([]);
    } finally {
      await flow.close();
    }
  });

  it("all this was enough, and left no key of anybody's on every object", () => {
    expect(fed).toBeGreaterThanOrEqual(WANTED);
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });
});

/** What is wrong with how a call ended. */
function faultOf(result: PromiseSettledResult<object>): string {
  if (result.status === "fulfilled") {
    const { lifetimeMs = 1 } = result.value as { lifetimeMs?: number };
    return lifetimeMs > 0 && lifetimeMs <= MAX_LIFETIME_MS ? "none" : `a lifetime of ${lifetimeMs} ms`;
  }
  const error: unknown = result.reason;
  if (!(error instanceof AgentruxError)) return `not one of ours: ${String(error)}`;
  if (/[\p{Cc}\u2028\u2029]/u.test(error.message)) return `more than a line: ${error.message}`;
  return error.message.includes("not-to-be-told") ? `tells a secret: ${error.message}` : "none";
}

function pieces(bytes: Buffer, sizes: readonly number[]): readonly Buffer[] {
  const cut: Buffer[] = [];
  for (let from = 0; from < bytes.length;) {
    const size = sizes[cut.length % sizes.length] ?? 1;
    cut.push(bytes.subarray(from, from + size));
    from += size;
  }
  return cut;
}

/** Feeds a stream to the reader until it ends. */
async function listen(
  generation: "a" | "b",
  chunks: readonly Buffer[],
): Promise<{ readonly positions: readonly (string | undefined)[]; readonly reason: AgentruxError }> {
  const positions: (string | undefined)[] = [];
  const { reason } = await runConnection({
    http: {
      ...httpOver(() => {
        throw new Error("not used here");
      }),
      open: () =>
        Promise.resolve({
          open: true,
          contentType: "text/event-stream",
          body: Readable.from(chunks, { objectMode: true }),
        }),
    },
    tokens: FREE_TOKENS,
    dialect: generation === "a" ? dialectA : dialectB,
    request: { path: "/topics/t/events/stream" },
    silenceMs: 60_000,
    maxLineBytes: 1024 * 1024,
    signal: NEVER,
    onOpen: () => undefined,
    onHint: (position) => positions.push(position),
  });
  return { positions, reason };
}
