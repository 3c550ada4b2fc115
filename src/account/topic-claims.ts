/**
 * Owns that one command topic is read by one account at a time. Two accounts that read the same topic, by a copied
 * configuration, would each answer every command; so the second one waits until the first has ended.
 */

import { aborted } from "./aborted.ts";

interface Reader {
  readonly accountId: string;
  readonly ended: Promise<void>;
}

export class TopicClaims {
  readonly #readers = new Map<string, Reader>();

  /**
   * Runs `work` when no other account reads the topic, or not at all when `signal` aborts first.
   *
   * @param onWait Told whose end is waited for.
   */
  async read(
    topicId: string,
    accountId: string,
    { signal, onWait }: { readonly signal: AbortSignal; readonly onWait: (other: string) => void },
    work: () => Promise<void>,
  ): Promise<void> {
    for (let other = this.#readers.get(topicId); other !== undefined; other = this.#readers.get(topicId)) {
      onWait(other.accountId);
      await Promise.race([other.ended, aborted(signal)]);
      if (signal.aborted) return;
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#readers.set(topicId, { accountId, ended: promise });
    try {
      await work();
    } finally {
      this.#readers.delete(topicId);
      resolve();
    }
  }
}
