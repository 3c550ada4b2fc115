/** The service of the simulation: a result topic behind a network that loses, delays and repeats. */

import { AgentruxError } from "../../../src/errors.ts";
import type { ReplyChannel } from "../../../src/replies/channel.ts";
import type { OutgoingEvent } from "../../../src/replies/compose.ts";
import type { Clock } from "../../../src/replies/ports.ts";
import type { Dice } from "./random.ts";

export interface StoredReply {
  readonly replyId: string;
  readonly payload: Readonly<Record<string, unknown>>;
}

const NEVER_ANSWERED_MS = 400;

export class SimServer {
  readonly stored: StoredReply[] = [];
  readonly #keys = new Set<string>();
  readonly #clock: Clock;
  readonly #dice: Dice;
  readonly #recognisesRepeats: boolean;
  /** While true, requests and answers get lost and errors are returned. */
  stormy = true;

  constructor(clock: Clock, dice: Dice, recognisesRepeats: boolean) {
    this.#clock = clock;
    this.#dice = dice;
    this.#recognisesRepeats = recognisesRepeats;
  }

  #store(event: OutgoingEvent, replyId: string): void {
    if (this.#recognisesRepeats && this.#keys.has(replyId)) return;
    this.#keys.add(replyId);
    this.stored.push({ replyId, payload: event.payload });
  }

  /** The channel as one life of the plugin has it: after its death it hears nothing, but what it sent still arrives. */
  channel(isAlive: () => boolean): ReplyChannel {
    const later = (delayMs: number, action: () => void): void => {
      this.#clock.after(delayMs, () => {
        if (isAlive()) action();
      });
    };
    return {
      generation: this.#recognisesRepeats ? "b" : "a",
      recognisesRepeats: this.#recognisesRepeats,
      upload: () => Promise.reject(new AgentruxError("not_found", "no objects here", { kind: "refused" })),
      publish: (event, replyId) => {
        const fate = this.stormy ? this.#dice.next() : 1;
        const latencyMs = this.#dice.int(0, 60);
        const arrives = fate > 0.1 && !(fate > 0.2 && fate < 0.35);
        if (arrives) this.#clock.after(latencyMs, () => this.#store(event, replyId));
        return new Promise((resolve, reject) => {
          if (fate < 0.2) {
            later(NEVER_ANSWERED_MS, () =>
              reject(new AgentruxError("timeout", "no answer", { kind: "unknown", retryable: true })),
            );
          } else if (fate < 0.3) {
            later(latencyMs, () => reject(new AgentruxError("forbidden", "403", { kind: "refused" })));
          } else if (fate < 0.35) {
            const retryAfterMs = this.#dice.int(100, 5_000);
            later(latencyMs, () =>
              reject(new AgentruxError("rate_limited", "429", { kind: "refused", retryable: true, retryAfterMs })),
            );
          } else if (fate < 0.42) {
            later(latencyMs + 10, () =>
              reject(new AgentruxError("server_error", "500", { kind: "refused", retryable: true })),
            );
          } else {
            later(latencyMs + 1, resolve);
          }
        });
      },
      find: (replyId) =>
        new Promise((resolve, reject) => {
          later(this.#dice.int(0, 30), () => {
            if (this.stormy && this.#dice.chance(0.2))
              reject(new AgentruxError("network", "reset", { kind: "unknown", retryable: true }));
            else resolve(this.stored.some((reply) => reply.replyId === replyId) ? "found" : "absent");
          });
        }),
    };
  }
}
