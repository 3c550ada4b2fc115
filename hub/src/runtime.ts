/** The outside world as the hub's rooms see it: time, randomness, counters. Passed in, never imported. */
import { randomBytes } from "node:crypto";

export interface Clock {
  /** Epoch milliseconds. */
  now(): number;
}

export interface Random {
  bytes(length: number): Uint8Array;
}

export const systemClock: Clock = { now: () => Date.now() };

/** The operating system's randomness, fetched in blocks: one system call per event id would be felt. */
export function systemRandom(blockBytes = 4096): Random {
  let block = randomBytes(blockBytes);
  let used = 0;
  return {
    bytes(length) {
      if (length > blockBytes) return randomBytes(length);
      if (used + length > blockBytes) {
        block = randomBytes(blockBytes);
        used = 0;
      }
      used += length;
      return Uint8Array.prototype.slice.call(block, used - length, used);
    },
  };
}

export type Labels = Readonly<Record<string, string>>;

export interface Counter {
  inc(by?: number): void;
}

export interface Histogram {
  observe(value: number): void;
}

/** Where measurements go. A counter is asked for once and kept, so that counting costs an addition. */
export interface Metrics {
  counter(name: string, help: string, labels?: Labels): Counter;
  histogram(name: string, help: string, bucketUpperBounds: readonly number[], labels?: Labels): Histogram;
  /** `read` is called when the metrics are collected. */
  gauge(name: string, help: string, read: () => number, labels?: Labels): void;
  /** Everything measured so far, in Prometheus' text format. */
  render(): string;
}

/** Measures nothing. */
export const noMetrics: Metrics = {
  counter: () => ({ inc: () => undefined }),
  histogram: () => ({ observe: () => undefined }),
  gauge: () => undefined,
  render: () => "",
};
