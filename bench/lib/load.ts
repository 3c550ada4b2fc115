/** Owns the two ways of making load: as fast as a number of connections can, and at a given rate whatever the answers. */

import { setTimeout as sleep } from "node:timers/promises";
import type { Answer, Connection } from "./connection.ts";

export interface LoadResult {
  readonly done: number;
  readonly elapsedMs: number;
  readonly latenciesMs: readonly number[];
}

/** Sends one request and resolves when it has been answered well. */
export type Sender = () => Promise<void>;

/** Each sender sends its next request when it has its answer, for `durationMs`. */
export async function closedLoop(senders: readonly Sender[], durationMs: number): Promise<LoadResult> {
  const latenciesMs: number[] = [];
  const begin = performance.now();
  const end = begin + durationMs;
  const work = async (send: Sender): Promise<void> => {
    for (let sentAt = performance.now(); sentAt < end;) {
      await send();
      const now = performance.now();
      latenciesMs.push(now - sentAt);
      sentAt = now;
    }
  };
  await Promise.all(senders.map(work));
  return { done: latenciesMs.length, elapsedMs: performance.now() - begin, latenciesMs };
}

/** A sender of one HTTP request, again and again. */
export function httpSender(connection: Connection, request: string): Sender {
  return async () => assertSuccess(await connection.send(request));
}

/**
 * Sends `perSecond` requests each second for `durationMs`, evenly, whether or not earlier ones are answered; a request
 * that finds no idle connection waits for one, and that wait is part of its latency.
 */
export async function openLoop(
  connections: readonly Connection[],
  { perSecond, durationMs }: { readonly perSecond: number; readonly durationMs: number },
  request: () => string | Buffer,
): Promise<LoadResult> {
  const idle = [...connections];
  const waiting: { readonly bytes: string | Buffer; readonly at: number }[] = [];
  const latenciesMs: number[] = [];
  const failures: unknown[] = [];
  const begin = performance.now();
  const total = Math.round((perSecond * durationMs) / 1000);
  const serving: Promise<void>[] = [];
  let sent = 0;

  const serve = async (connection: Connection): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      assertSuccess(await connection.send(next.bytes));
      latenciesMs.push(performance.now() - next.at);
    }
    idle.push(connection);
  };

  while (sent < total) {
    const due = Math.min(total, Math.floor(((performance.now() - begin) / 1000) * perSecond) + 1);
    for (; sent < due; sent += 1) {
      waiting.push({ bytes: request(), at: performance.now() });
      const connection = idle.pop();
      if (connection !== undefined) {
        serving.push(serve(connection).catch((error: unknown) => void failures.push(error)));
      }
    }
    if (failures.length > 0) throw failures[0];
    await sleep(Math.max(0, begin + (sent / perSecond) * 1000 - performance.now()));
  }
  await Promise.all(serving);
  if (failures.length > 0) throw failures[0];
  return { done: latenciesMs.length, elapsedMs: performance.now() - begin, latenciesMs };
}

/** A refusal would be counted as work otherwise. */
export function assertSuccess({ status, body }: Answer): void {
  if (status >= 300) throw new Error(`the server answered ${status}: ${body.slice(0, 200)}`);
}
