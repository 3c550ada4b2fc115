/** Owns counting the terminal replies on a result topic, page by page, for runs with too many of them to hold. */

import type { AgentruxClient } from "../../scripts/lib/client.ts";

/** What has been seen on a result topic so far. Request ids are those of `commandEvent`: numbers counted from one. */
export class Replies {
  readonly #client: AgentruxClient;
  readonly #topicId: string;
  readonly #seen = new Set<number>();
  #position = 0;
  #terminal = 0;

  constructor(client: AgentruxClient, topicId: string) {
    this.#client = client;
    this.#topicId = topicId;
  }

  /** Terminal replies on the topic. */
  get terminal(): number {
    return this.#terminal;
  }

  /** Requests with at least one terminal reply. */
  get answered(): number {
    return this.#seen.size;
  }

  /** Reads to the end of the topic. */
  async readOn(): Promise<void> {
    for (const event of await this.#client.eventsAfter(this.#topicId, this.#position)) {
      this.#position = event.sequence;
      if (event.payload["final"] !== true) continue;
      this.#terminal += 1;
      this.#seen.add(Number(event.payload["request_id"]));
    }
  }
}
