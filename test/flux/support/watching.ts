/** Watches over a real hub and a real journal; only the turns are written down in place of being run. */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { type RunningHub, startHub } from "../../../hub/src/server.ts";
import { fluxKey, type FluxWatch, resolveFlux } from "../../../src/config/flux.ts";
import { createFluxClient, type FluxClient } from "../../../src/flux/client.ts";
import { createOwnWrites, notingWrites } from "../../../src/flux/own-writes.ts";
import type { FeedTimes } from "../../../src/flux/watch/feed.ts";
import { startWatches, type WatchSet } from "../../../src/flux/watch/watch-set.ts";
import { watchRow } from "../../../src/intake/watching.ts";
import { type JournalFile, openJournal } from "../../../src/journal/journal.ts";
import { systemClock } from "../../../src/replies/ports.ts";
import type { Command } from "../../../src/replies/turn.ts";

/** Machines that run tests are busy. */
const PATIENCE_MS = 60_000;

/** Waits until `check` holds; fails with `what` after a minute. */
export async function until(what: string, check: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = performance.now() + PATIENCE_MS; performance.now() < end;) {
    if (await check()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`waited in vain: ${what}`);
}

/** Keeps still for as long as something that must not happen would take. */
export const still = (ms = 300): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** A watch as an operator writes it, with nothing held back unless said. */
export function watchOf(written: object): FluxWatch {
  const quick = { id: "w", debounceMs: 0, cooldownSeconds: 0, turnsPerHour: 3_600 };
  const [watch] = resolveFlux(fluxKey.parse({ watch: [{ ...quick, ...written }] })).watches;
  if (watch === undefined) throw new Error("no watch");
  return watch;
}

export const TIMES: Partial<FeedTimes> = { retry: { baseMs: 20, capMs: 100 }, stockListMs: 3_600_000 };

export interface Told {
  readonly entity: string;
  readonly event: "appeared" | "changed" | "gone";
  readonly before?: Readonly<Record<string, unknown>>;
  readonly after?: Readonly<Record<string, unknown>>;
}

export async function tempFolder(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "agentrux-watch-"));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

export async function hubIn(dir: string, options: Partial<Parameters<typeof startHub>[0]> = {}): Promise<RunningHub> {
  const hub = await startHub({ dataDir: join(dir, "hub"), port: 0, logLevel: "silent", ...options });
  onTestFinished(() => hub.close());
  return hub;
}

export interface DeskOptions {
  readonly times?: Partial<FeedTimes>;
  readonly token?: string;
  readonly watches?: readonly object[];
}

/** An account's watches, without the rest of it. */
export class WatchDesk {
  readonly lines: string[] = [];
  readonly client: FluxClient;
  set: WatchSet;
  isBusy = false;
  readonly #journal: JournalFile;

  private constructor(journal: JournalFile, client: FluxClient, set: (desk: WatchDesk) => Promise<WatchSet>) {
    this.#journal = journal;
    this.client = client;
    this.set = undefined as unknown as WatchSet;
    this.#start = set;
  }

  readonly #start: (desk: WatchDesk) => Promise<WatchSet>;

  static async start(dir: string, url: string, options: DeskOptions = {}): Promise<WatchDesk> {
    const file = await openJournal({ directory: join(dir, "home") });
    const own = createOwnWrites(() => performance.now());
    const token = options.token === undefined ? {} : { token: options.token };
    const client = notingWrites(createFluxClient({ url, ...token }), own);
    const journal = file.account("default");
    const desk = new WatchDesk(file, client, (it) => {
      const log = (line: string): void => void it.lines.push(line);
      return startWatches({
        watches: (options.watches ?? [{ prefix: "lab/" }]).map(watchOf),
        client,
        own,
        journal,
        clock: systemClock,
        random: Math.random,
        log: { info: log, warn: log, error: log },
        times: { ...TIMES, ...options.times },
        rowOf: watchRow,
        admit: async (rows, write) => void (await write(rows, Date.now())),
        isBusy: () => it.isBusy,
      });
    });
    desk.set = await desk.#start(desk);
    onTestFinished(() => desk.stop());
    return desk;
  }

  get live(): boolean {
    return this.set.numbers().connected;
  }

  /** Until everything is known, and the first sight is on disk. */
  ready(): Promise<void> {
    return until("all is known", () => this.live && this.set.list().every(({ state }) => state === "watching"));
  }

  /** The turns admitted so far, each as what it tells. */
  async turns(): Promise<readonly (readonly Told[])[]> {
    const journal = this.#journal.account("default");
    const bodies: string[] = [];
    for (const { id } of await journal.openCommands(0, 10_000)) {
      const body = (await journal.openCommand(id))?.body;
      if (body !== undefined) bodies.push(body);
    }
    return bodies.map((body) =>
      (JSON.parse(body) as Command).message.split("\n").map((line) => JSON.parse(line) as Told),
    );
  }

  async told(): Promise<readonly Told[]> {
    return (await this.turns()).flat();
  }

  async untilTold(count: number): Promise<readonly Told[]> {
    await until(`${count} changes told`, async () => (await this.told()).length >= count);
    return await this.told();
  }

  async stop(): Promise<void> {
    await this.set.stop();
    await this.client.close();
    await this.#journal.close();
  }
}

/** Somebody else who writes. */
export function writer(url: string, token?: string): Writer {
  const client = createFluxClient({ url, ...(token === undefined ? {} : { token }) });
  onTestFinished(() => client.close());
  const signal = () => AbortSignal.timeout(10_000);
  return {
    client,
    async set(entity, properties, more = {}) {
      const event = { stream: "s", source: "t", timestamp: Date.now(), payload: { entity_id: entity, properties } };
      await client.publish({ ...event, ...more }, signal());
    },
    async remove(entity) {
      await client.delete(entity, signal());
    },
  };
}

export interface Writer {
  readonly client: FluxClient;
  set(entity: string, properties: Readonly<Record<string, unknown>>, more?: object): Promise<void>;
  remove(entity: string): Promise<void>;
}

/** What was told, without the times. */
export function said(told: readonly Told[]): object[] {
  return told.map(({ entity, event, before, after }) => ({
    entity,
    event,
    ...(before === undefined ? {} : { before }),
    ...(after === undefined ? {} : { after }),
  }));
}
