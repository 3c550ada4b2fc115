/** What an outage costs after it has ended: token clients in virtual time, asked as the pulls and the stream ask. */

import { describe, expect, it } from "vitest";
import { AgentruxError } from "../../src/errors.ts";
import { retryDelayMs } from "../../src/service/backoff.ts";
import type { Issued } from "../../src/service/token-endpoints.ts";
import { createTokenClient, SECRET_CALLS_PER_HOUR, type TokenClient } from "../../src/service/tokens.ts";
import { diceOf } from "../promises/support/random.ts";
import { NEVER } from "./peer.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const SEED = Number(process.env["OUTAGE_SEED"] ?? Date.now() % 1_000_000);
const LIVES = 20;

/** `network`: nothing leaves the machine. `service`: each call is sent, and what comes of it cannot be told. */
type Trouble = "network" | "service" | "network and service in turn";

class Life {
  readonly #random: () => number;
  readonly #trouble: Trouble;
  readonly #tokens: TokenClient;
  readonly sent = { secret: [] as number[], refresh: [] as number[] };
  now = 0;
  #outage = { from: -1, to: -1 };

  constructor(seed: number, trouble: Trouble) {
    this.#random = diceOf(seed).next;
    this.#trouble = trouble;
    this.#tokens = createTokenClient({
      endpoints: {
        bySecret: () => this.#answer(this.sent.secret),
        byRefresh: () => this.#answer(this.sent.refresh),
        rotate: () => Promise.reject(new Error("nobody rotates here")),
        proof: () => ({ script_id: "", client_secret: "" }),
      },
      clock: { now: () => this.now, monotonic: () => this.now },
      random: this.#random,
      secretCallsPerHour: SECRET_CALLS_PER_HOUR,
    });
  }

  /** Lives through an outage that begins now. Returns how long nothing came after its end. */
  async silenceAfter(outageMs: number): Promise<number> {
    const end = this.now + outageMs;
    this.#outage = { from: this.now, to: end };
    const pulls = { at: this.now, failures: 0, limits: { baseMs: 500, capMs: 30_000 } };
    const stream = { at: this.now, failures: 0, limits: { baseMs: 1_000, capMs: 60_000 } };
    for (;;) {
      const loop = pulls.at <= stream.at ? pulls : stream;
      this.now = Math.max(this.now, loop.at);
      try {
        await this.#tokens.get(NEVER);
        if (this.now >= end) return this.now - end;
        loop.at = this.now + 1_000;
      } catch (error) {
        loop.at = this.now + Math.max(1, retryDelayMs(error, loop.failures++, loop.limits, this.#random));
      }
    }
  }

  async #answer(sent: number[]): Promise<Issued> {
    const down = this.now >= this.#outage.from && this.now < this.#outage.to;
    if (down && (this.#trouble === "network" || (this.#trouble !== "service" && this.#random() < 0.5))) {
      throw new AgentruxError("network", "no connection (ENOTFOUND)", { kind: "local", retryable: true });
    }
    sent.push(this.now);
    if (down) {
      this.now += this.#random() * 10_000;
      throw new AgentruxError("server_error", "HTTP 502", { kind: "unknown", retryable: true });
    }
    return { accessToken: `T${this.now}`, refreshToken: `R${this.now}`, lifetimeMs: HOUR_MS };
  }
}

function busiestHour(calls: readonly number[]): number {
  return Math.max(0, ...calls.map((from) => calls.filter((at) => at >= from && at < from + HOUR_MS).length));
}

const OUTAGES_MS = [0.5, 1, 2, 3, 4, 5, 7, 10, 20, 30, 45, 60, 90, 120].map((minutes) => minutes * MINUTE_MS);

/** Ten calls in an hour of doubt cannot lie closer together than six minutes; a refresh token gives twenty more. */
function allowedMs(trouble: Trouble, refreshing: boolean, outageMs: number): number {
  if (trouble === "network") return 2 * MINUTE_MS;
  if (outageMs < MINUTE_MS) return MINUTE_MS;
  return (outageMs <= 5 * MINUTE_MS ? 2.5 : refreshing ? 6 : 15) * MINUTE_MS;
}

async function faultOf(seed: number, trouble: Trouble, refreshing: boolean, outageMs: number): Promise<string[]> {
  const life = new Life(seed, trouble);
  if (refreshing) {
    await life.silenceAfter(0);
    life.now += HOUR_MS;
  }
  const silenceMs = await life.silenceAfter(outageMs);
  const bySecret = busiestHour(life.sent.secret);
  const byRefresh = busiestHour(life.sent.refresh);
  const fine = silenceMs <= allowedMs(trouble, refreshing, outageMs) && bySecret <= 10 && byRefresh <= 20;
  const told = `${outageMs / 1_000} s, then ${Math.round(silenceMs / 1_000)} s of silence; calls ${bySecret}, ${byRefresh}`;
  return fine ? [] : [`OUTAGE_SEED=${seed}: ${told}`];
}

describe.each(["network", "service", "network and service in turn"] as const)(
  "an outage of the %s is soon over",
  (trouble) => {
    it.each([
      ["at the start", false],
      ["when a token ends", true],
    ])(`%s, and costs no more calls than the service grants (seed ${SEED})`, async (_when, refreshing) => {
      const faults: string[] = [];
      for (const outageMs of OUTAGES_MS) {
        for (let seed = SEED; seed < SEED + LIVES; seed += 1) {
          faults.push(...(await faultOf(seed, trouble, refreshing, outageMs)));
        }
      }
      expect(faults).toEqual([]);
    });
  },
);
