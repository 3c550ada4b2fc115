/**
 * The host of the simulation: runs turns, refuses them, hangs, answers by itself, and after a crash takes up again what
 * it had adopted, with the habits the SDK spec describes in 17.2 to 17.5.
 */

import type { TurnRequest, TurnResult, TurnRunner } from "../../../src/replies/turn.ts";
import { conversationHash } from "../../../src/intake/command.ts";
import type { FakeClock } from "./fake-clock.ts";
import type { Dice } from "./random.ts";

export interface Start {
  readonly commandId: string;
  readonly address: string;
  readonly attempt: number;
  readonly lane: string;
}

interface Turn {
  readonly request: TurnRequest;
  readonly lane: string;
  /** Told to stop: may be left behind by the plugin. */
  aborted: boolean;
}

type Say = (address: string, text: string) => void;

export class SimHost {
  readonly starts: Start[] = [];
  readonly violations: string[] = [];
  readonly #clock: FakeClock;
  readonly #dice: Dice;
  /** Addresses the host has adopted, which it does not run again. Survives a crash. */
  readonly #adopted = new Set<string>();
  /** Turns the host takes up again after a crash, and what it says of them. */
  readonly #resumed = new Map<string, "host" | "unknown">();
  #running = new Set<Turn>();
  #process = 0;
  say: Say = () => {};
  stormy = true;
  draining = false;

  readonly #maxConcurrency: number;

  constructor(clock: FakeClock, dice: Dice, maxConcurrency: number) {
    this.#clock = clock;
    this.#dice = dice;
    this.#maxConcurrency = maxConcurrency;
  }

  /** The process dies, and with it every turn. The next one takes some of them up again. */
  crash(): void {
    this.#process += 1;
    for (const turn of this.#running) this.#maybeResume(turn.request);
    this.#running = new Set();
  }

  #maybeResume(request: TurnRequest): void {
    if (!this.stormy || !this.#dice.chance(0.6)) return;
    const { address } = request;
    this.#resumed.set(address, this.#dice.chance(0.8) ? "host" : "unknown");
    const process = this.#process;
    this.#clock.after(this.#dice.int(1_500, 20_000), () => {
      if (process !== this.#process) {
        this.#resumed.delete(address);
        return;
      }
      if (this.#dice.chance(0.8))
        this.say(this.#dice.chance(0.5) ? address : `agentrux:${address}`, `resumed ${address}`);
      this.#resumed.delete(address);
    });
  }

  runner(isAlive: () => boolean): TurnRunner {
    return {
      run: (request, signal) => this.#run(request, signal, isAlive),
      owner: (request) => Promise.resolve(this.#resumed.get(request.address) ?? "nobody"),
    };
  }

  async #run(request: TurnRequest, signal: AbortSignal, isAlive: () => boolean): Promise<TurnResult> {
    const dice = this.#dice;
    if (this.draining) return { kind: "not-started", reason: "draining" };
    if (this.stormy && dice.chance(0.03)) return { kind: "not-started", reason: "capacity" };
    if (this.#adopted.has(request.address)) return { kind: "swallowed" };
    const turn = this.#begin(request);
    const fate = this.stormy ? dice.next() : 1;
    if (fate > 0.05) this.#adopted.add(request.address);
    return new Promise((resolve, reject) => {
      const end = (settle: () => void): void => {
        if (!isAlive() || !this.#running.delete(turn)) return;
        settle();
      };
      signal.addEventListener("abort", () => {
        turn.aborted = true;
        // Some turns do not listen.
        if (fate > 0.15) end(() => resolve({ kind: "not-started", reason: "aborted" }));
      });
      if (fate < 0.15 && fate > 0.1) return;
      this.#clock.after(dice.int(1, 1_500), () => end(() => this.#finish(request, fate, resolve, reject)));
    });
  }

  #begin(request: TurnRequest): Turn {
    const lane = conversationHash(request.command);
    for (const other of this.#running) {
      if (other.lane === lane && !other.aborted) {
        this.violations.push(`${request.address} runs beside ${other.request.address} in one conversation`);
      }
    }
    const { commandId } = request.command;
    for (const [address, owner] of this.#resumed) {
      if (owner === "host" && address.includes(commandId)) {
        this.violations.push(`${request.address} runs although the host is going to answer ${address}`);
      }
    }
    const turn: Turn = { request, lane, aborted: false };
    this.#running.add(turn);
    const heeding = [...this.#running].filter((one) => !one.aborted).length;
    if (heeding > this.#maxConcurrency) this.violations.push(`${heeding} turns at once`);
    this.starts.push({ commandId, address: request.address, attempt: request.attempt, lane });
    return turn;
  }

  #finish(
    request: TurnRequest,
    fate: number,
    resolve: (result: TurnResult) => void,
    reject: (error: Error) => void,
  ): void {
    const { address, command } = request;
    if (fate < 0.05) resolve({ kind: "swallowed" });
    else if (fate < 0.1) reject(new Error("the turn threw"));
    else if (fate < 0.2) resolve({ kind: "failed", reason: "HTTP 400 from the model, with a secret" });
    else if (fate < 0.25) resolve({ kind: "silent" });
    else if (fate < 0.32) {
      resolve({ kind: "deferred" });
      if (this.#dice.chance(0.7))
        this.#clock.after(this.#dice.int(10, 9_000), () => this.say(address, `deferred ${address}`));
    } else if (fate < 0.38) {
      this.say(address, `aside ${address}`);
      resolve({ kind: "replied", text: `echo ${command.message}`, media: [] });
    } else {
      const times = this.#dice.chance(0.004) ? 40_000 : 1;
      resolve({ kind: "replied", text: `echo ${command.message} `.repeat(times), media: [] });
    }
  }
}
