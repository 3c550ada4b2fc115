/**
 * Who listens to which topic, and telling them of new events. Hints are idempotent (only the newest matters), so a
 * commit yields one frame per topic and dialect, encoded once and written to every listener.
 *
 * A listener leaves by itself (its socket closed), when its access token expires, when its grant or credential is
 * revoked, when it has more unsent bytes than a listener may have, or when the hub stops. After leaving it is never
 * written to again.
 */
import type { Clock, Counter, Metrics } from "../runtime.ts";
import type { CommitNotice, HintEvent } from "../store/port.ts";
import type { StreamDialect } from "./stream-frames.ts";

/** The part of a node response the fan-out needs. */
export interface StreamSink {
  write(frame: Uint8Array): unknown;
  end(): unknown;
  destroy(): unknown;
  readonly writableLength: number;
}

export interface ListenerOptions {
  readonly topicId: string;
  readonly scriptId: string;
  readonly credentialId: string;
  readonly excludeSelf: boolean;
  /** Epoch milliseconds. */
  readonly expiresAt: number;
  readonly dialect: StreamDialect;
  readonly sink: StreamSink;
}

export interface FanoutOptions {
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly keepAliveMs: number;
  readonly maxPendingBytes: number;
}

/** A listener's own handle. After it has left, its methods do nothing. */
export interface StreamListener {
  /** Tells of one event, unless a newer one was told already. */
  hint(event: HintEvent): void;
  write(frame: Uint8Array): void;
  remove(): void;
}

interface Listener extends ListenerOptions {
  lastWriteAt: number;
  lastHintSeq: number;
}

export class StreamFanout {
  readonly #clock: Clock;
  readonly #keepAliveMs: number;
  readonly #maxPendingBytes: number;
  readonly #byTopic = new Map<string, Set<Listener>>();
  readonly #hints: Counter;
  readonly #evictions: Counter;
  #count = 0;

  constructor(options: FanoutOptions) {
    this.#clock = options.clock;
    this.#keepAliveMs = options.keepAliveMs;
    this.#maxPendingBytes = options.maxPendingBytes;
    this.#hints = options.metrics.counter("agentrux_hub_stream_hints_total", "Hint frames written to listeners");
    this.#evictions = options.metrics.counter(
      "agentrux_hub_stream_evictions_total",
      "Listeners cut off for being slow",
    );
    options.metrics.gauge("agentrux_hub_stream_listeners", "Open event streams", () => this.#count);
  }

  get size(): number {
    return this.#count;
  }

  add(options: ListenerOptions): StreamListener {
    const listener: Listener = { ...options, lastWriteAt: this.#clock.now(), lastHintSeq: 0 };
    const topic = this.#byTopic.get(options.topicId) ?? new Set();
    this.#byTopic.set(options.topicId, topic.add(listener));
    this.#count += 1;
    return {
      hint: (event) => this.#hint(listener, event, options.dialect.hint(options.topicId, event), this.#clock.now()),
      write: (frame) => this.#write(listener, frame, this.#clock.now()),
      remove: () => this.#remove(listener),
    };
  }

  /** Tells a topic's listeners of a commit. */
  publish(notice: CommitNotice): void {
    const listeners = this.#byTopic.get(notice.topicId);
    if (listeners === undefined) return;
    const now = this.#clock.now();
    const frames = new Map<StreamDialect, Map<HintEvent, Uint8Array>>();
    for (const listener of listeners) {
      const own = listener.excludeSelf && notice.newest.producer === listener.scriptId;
      const hint = own ? notice.newestByOther : notice.newest;
      if (hint === undefined) continue;
      const known = frames.get(listener.dialect) ?? new Map<HintEvent, Uint8Array>();
      frames.set(listener.dialect, known);
      const frame = known.get(hint) ?? listener.dialect.hint(notice.topicId, hint);
      known.set(hint, frame);
      this.#hint(listener, hint, frame, now);
    }
  }

  /** Keeps quiet streams alive and ends those whose token has expired; called often, cheap when there is nothing to do. */
  tick(): void {
    const now = this.#clock.now();
    for (const listeners of this.#byTopic.values()) {
      for (const listener of listeners) {
        if (listener.expiresAt <= now) this.#end(listener);
        else if (now - listener.lastWriteAt >= this.#keepAliveMs) {
          this.#write(listener, listener.dialect.keepAlive, now);
        }
      }
    }
  }

  /** Ends the streams of a script that may no longer listen. */
  endWhere(scriptId: string, mayListen: (listener: ListenerOptions) => boolean): void {
    for (const listeners of this.#byTopic.values()) {
      for (const listener of listeners) {
        if (listener.scriptId === scriptId && !mayListen(listener)) this.#end(listener);
      }
    }
  }

  endAll(): void {
    for (const listeners of this.#byTopic.values()) for (const listener of listeners) this.#end(listener);
  }

  #hint(listener: Listener, event: HintEvent, frame: Uint8Array, now: number): void {
    if (event.seq <= listener.lastHintSeq) return;
    listener.lastHintSeq = event.seq;
    this.#hints.inc();
    this.#write(listener, frame, now);
  }

  #write(listener: Listener, frame: Uint8Array, now: number): void {
    if (this.#byTopic.get(listener.topicId)?.has(listener) !== true) return;
    listener.sink.write(frame);
    listener.lastWriteAt = now;
    if (listener.sink.writableLength <= this.#maxPendingBytes) return;
    this.#evictions.inc();
    this.#remove(listener);
    listener.sink.destroy();
  }

  #end(listener: Listener): void {
    this.#remove(listener);
    listener.sink.end();
  }

  #remove(listener: Listener): void {
    const listeners = this.#byTopic.get(listener.topicId);
    if (listeners?.delete(listener) !== true) return;
    this.#count -= 1;
    if (listeners.size === 0) this.#byTopic.delete(listener.topicId);
  }
}
