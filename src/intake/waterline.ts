/**
 * Owns how far each topic has been read. The format is told in positions.ts, the file in waterline-file.ts.
 *
 * Positions move in memory at once and in the store soon after: one write at a time, and moves that come during a write
 * go into the next one. What is stored is therefore a lower bound, never ahead of what the caller has said is safe. A
 * position only moves forward, except by `reset`.
 */

import type { Finding } from "../credentials/private-files.ts";
import { AgentruxError, errorText } from "../errors.ts";
import type { Cursor, Generation } from "../service/types.ts";
import { formatPositions, isBeyond, isPosition, type Positions, type TopicPositions } from "./positions.ts";

export type SavedPosition =
  | { readonly kind: "saved"; readonly cursor: Cursor }
  /** The topic was never read. */
  | { readonly kind: "none" }
  /** It was read, and how far cannot be told. */
  | { readonly kind: "unknown"; readonly reason: string };

/** Where positions are kept. */
export interface PositionStore {
  /** @throws AgentruxError `disk` where something is there and cannot be read. */
  load(): Promise<LoadedPositions>;
  /** Stores {@link formatPositions}' text whole or not at all. @throws AgentruxError `disk` */
  save(text: string): Promise<void>;
}

export interface LoadedPositions {
  readonly positions: Positions;
  /** What was found and done on the way. */
  readonly findings: readonly Finding[];
  /** Why nothing of what was stored could be understood. */
  readonly corrupt?: string;
}

export interface WaterlineOptions {
  readonly store: PositionStore;
  /** The generation whose cursors are read and moved. */
  readonly generation: Generation;
  /** A write failed. It is tried again with the next move or {@link Waterline.flush}. */
  readonly onProblem: (error: AgentruxError) => void;
}

/** The read positions of one account. */
export class Waterline {
  /** What was found and done when the file was loaded. */
  readonly findings: readonly Finding[];
  readonly generation: Generation;
  readonly #options: WaterlineOptions;
  readonly #topics: Map<string, TopicPositions>;
  readonly #unreadable: ReadonlySet<string>;
  readonly #corrupt: string | undefined;
  #writing: Promise<void> | undefined;
  #unwritten = false;
  #problem: AgentruxError | undefined;

  private constructor(options: WaterlineOptions, loaded: LoadedPositions) {
    this.#options = options;
    this.generation = options.generation;
    this.findings = loaded.findings;
    this.#topics = new Map(loaded.positions.topics);
    this.#unreadable = loaded.positions.unreadable;
    this.#corrupt = loaded.corrupt;
  }

  /**
   * @throws AgentruxError `disk` where something is stored and cannot be read.
   * @example
   * const waterline = await Waterline.open({ store: waterlineFile(paths.waterline, now), generation: "a", onProblem });
   */
  static async open(options: WaterlineOptions): Promise<Waterline> {
    return new Waterline(options, await options.store.load());
  }

  position(topicId: string): SavedPosition {
    const entry = this.#topics.get(topicId);
    const cursor = entry?.[this.generation];
    if (cursor !== undefined) return { kind: "saved", cursor };
    if (entry !== undefined) return { kind: "unknown", reason: "the saved position is one of the other generation" };
    if (this.#corrupt !== undefined) return { kind: "unknown", reason: this.#corrupt };
    if (this.#unreadable.has(topicId)) return { kind: "unknown", reason: "the saved position is not readable" };
    return { kind: "none" };
  }

  /** The position of the other generation, where the topic was read in that one. */
  otherPosition(topicId: string): Cursor | undefined {
    return this.#topics.get(topicId)?.[this.generation === "a" ? "b" : "a"];
  }

  /** Moves a topic's position forward; a place that is not beyond the current one changes nothing. */
  advance(topicId: string, cursor: Cursor): void {
    const current = this.position(topicId);
    if (current.kind === "saved" && !isBeyond(this.generation, current.cursor, cursor)) return;
    this.#move(topicId, cursor);
  }

  /** Moves a topic's position anywhere, also back. */
  reset(topicId: string, cursor: Cursor): void {
    this.#move(topicId, cursor);
  }

  /** Whether the last write failed, so that the disk is behind. */
  get failing(): boolean {
    return this.#problem !== undefined;
  }

  /**
   * Resolves when every move so far is on disk.
   *
   * @throws AgentruxError `disk`
   */
  async flush(): Promise<void> {
    while (this.#unwritten || this.#writing !== undefined) {
      await this.#write();
      if (this.#problem !== undefined) throw this.#problem;
    }
  }

  #move(topicId: string, cursor: Cursor): void {
    if (!isPosition(this.generation, cursor)) {
      throw new AgentruxError("malformed_response", "the service gave a read position that is not a sequence number");
    }
    this.#topics.set(topicId, { ...this.#topics.get(topicId), [this.generation]: cursor });
    this.#unwritten = true;
    void this.#write();
  }

  /** Writes until nothing is unwritten or a write fails. Never rejects. */
  #write(): Promise<void> {
    this.#writing ??= this.#writeAll().finally(() => {
      this.#writing = undefined;
    });
    return this.#writing;
  }

  async #writeAll(): Promise<void> {
    const { store, onProblem } = this.#options;
    while (this.#unwritten) {
      this.#unwritten = false;
      try {
        await store.save(formatPositions(this.#topics));
        this.#problem = undefined;
      } catch (error) {
        this.#unwritten = true;
        this.#problem =
          error instanceof AgentruxError
            ? error
            : new AgentruxError("disk", errorText(error), { retryable: true, cause: error });
        onProblem(this.#problem);
        return;
      }
    }
  }
}
