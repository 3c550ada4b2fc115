/** Starting and stopping a hub: the folder and its lock, the store, the listener, the background work. */
import { mkdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { getRequestListener } from "@hono/node-server";
import { pino } from "pino";
import type { Logger } from "pino";
import { createApp } from "./app.ts";
import { AccessTokens } from "./auth/access-tokens.ts";
import { hashSecret, newSecret, secretMatches } from "./auth/secrets.ts";
import { loadSigningKey } from "./auth/signing-key.ts";
import { startBackground } from "./background.ts";
import { isLoopback, resolveConfig } from "./config.ts";
import type { HubConfig, HubConfigInput } from "./config.ts";
import type { HubDeps } from "./deps.ts";
import { HubError } from "./errors.ts";
import { createRateLimits } from "./http/rate-limits.ts";
import { createMetrics } from "./observe/metrics.ts";
import type { Clock, Metrics, Random } from "./runtime.ts";
import { systemClock, systemRandom } from "./runtime.ts";
import { ensurePrivateFolder, writePrivateFile } from "./store/files.ts";
import { openSqliteStore } from "./store/sqlite.ts";
import { lockFolder } from "./store/sqlite/lock.ts";
import { StreamFanout } from "./topics/fanout.ts";
import { Snapshots } from "./world/snapshots.ts";
import { directReader } from "./world/http/direct-read.ts";
import { attachWatch } from "./world/watch/connect.ts";
import type { WatchEndpoint } from "./world/watch/connect.ts";
import { World } from "./world/world.ts";

/** A gigabyte on a slow line takes long; everything smaller than a payload object has a limit of its own. */
const LONGEST_REQUEST_MS = 3_600_000;
/** How long requests that are being answered may take once the hub stops. */
const DRAIN_MS = 1200;
/** A connection in the middle of a request or answer may be silent this long. */
const SOCKET_SILENCE_MS = 120_000;
/** How long everything behind the listener may then take together. */
const STOP_MS = 600;
/** A snapshot at the end spares the next start a replay, and is given up rather than waited for. */
const LAST_SNAPSHOT_MS = 400;
/** How long the listener waits for the world. */
const RESTORE_FIRST_MS = 300;

export interface HubOptions extends HubConfigInput {
  readonly dataDir: string;
  /** pino level; `silent` to log nothing. Ignored when `log` is given. */
  readonly logLevel?: string;
  readonly log?: Logger;
  /** Put in the place of the one kept in the data folder. */
  readonly adminToken?: string;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly metrics?: Metrics;
  /** Upper bound of the database, in pages of 8 KiB. */
  readonly maxDatabasePages?: number;
}

export interface RunningHub {
  /** Where it listens, without trailing slash. */
  readonly url: string;
  readonly adminToken: string;
  /** For embedding and tests: the same rooms the routes use. */
  readonly deps: HubDeps;
  /** Stops taking requests, ends streams, commits what was accepted; within two seconds. */
  close(): Promise<void>;
}

/**
 * Starts a hub.
 *
 * @throws HubError CONFIG, DATA_FOLDER_IN_USE, DATA_FOLDER_UNUSABLE; the listener's own error when the port is taken
 * @example
 * const hub = await startHub({ dataDir: "./data", port: 0 });
 * console.log(hub.url);
 * await hub.close();
 */
export async function startHub(options: HubOptions): Promise<RunningHub> {
  const config = resolveConfig(options);
  const dataDir = resolve(options.dataDir);
  openFolder(dataDir);
  const log =
    options.log ?? pino({ level: options.logLevel ?? "info", base: { name: "agentrux-hub" } }, pino.destination(2));
  const undo: (() => unknown)[] = [];
  try {
    const lock = lockFolder(dataDir);
    undo.push(() => lock.release());
    const metrics = options.metrics ?? createMetrics();
    const clock = options.clock ?? systemClock;
    const random = options.random ?? systemRandom();
    const store = openSqliteStore({
      dataDir,
      metrics,
      idempotencyKeyMs: config.ttls.idempotencyKeyMs,
      ...(options.maxDatabasePages === undefined ? {} : { maxPages: options.maxDatabasePages }),
    });
    undo.push(() => store.close());
    const adminToken = keepAdminToken(dataDir, options.adminToken, random);
    const adminHash = hashSecret(adminToken);
    const isAdmin = (token: string) => secretMatches(token, adminHash);
    const world = await World.open({
      store: store.world,
      snapshots: new Snapshots(join(dataDir, "world"), config.flux.snapshotsKept, log),
      config: config.flux,
      clock,
      random,
      metrics,
      log,
      isAdmin,
    });
    undo.push(() => world.close(AbortSignal.timeout(LAST_SNAPSHOT_MS)));
    const listening: { url: string } = { url: "" };
    const deps: HubDeps = {
      config,
      store,
      clock,
      random,
      log,
      metrics,
      tokens: new AccessTokens(await loadSigningKey(dataDir), clock),
      limits: createRateLimits(clock, config.limits),
      fanout: new StreamFanout({
        clock,
        metrics,
        keepAliveMs: config.streamKeepAliveMs,
        maxPendingBytes: config.limits.maxStreamPendingBytes,
      }),
      world,
      isAdmin,
      baseUrl: () => config.publicUrl ?? listening.url,
      dataDir,
      onClose: (stop) => void undo.push(stop),
    };
    const background = startBackground(deps);
    undo.push(() => background.stop());
    const server = httpServer(deps);
    const watch = attachWatch(server, deps);
    undo.push(() => watch.stop());
    // A small world is there before the first request; a large one is waited for by those who want it.
    await Promise.race([world.restored, delay(RESTORE_FIRST_MS, undefined, { ref: false })]);
    listening.url = await listen(server, config);
    // Without a listener a connection that cannot be accepted, for want of kernel buffers, would end the process.
    server.on("error", (error) => log.error({ err: error }, "a connection could not be accepted"));
    writePrivateFile(join(dataDir, "hub.json"), `${JSON.stringify({ url: listening.url, pid: process.pid })}\n`);
    warnIfExposed(config, log);
    log.info({ url: listening.url, dataDir }, "hub is listening");
    let closing: Promise<void> | undefined;
    return {
      url: listening.url,
      adminToken,
      deps,
      close: () => (closing ??= stop(server, deps, watch, undo)),
    };
  } catch (error) {
    await stopAll(undo, log);
    throw error;
  }
}

async function stop(server: Server, deps: HubDeps, watch: WatchEndpoint, undo: (() => unknown)[]): Promise<void> {
  const closed = new Promise<void>((done) => server.close(() => done()));
  deps.fanout.endAll();
  watch.stop();
  server.closeIdleConnections();
  const deadline = new AbortController();
  await Promise.race([closed, delay(DRAIN_MS, undefined, { signal: deadline.signal, ref: false })]);
  deadline.abort();
  server.closeAllConnections();
  await stopAll(undo, deps.log);
  deps.log.info("hub has stopped");
}

/** Takes every step, newest first: one that fails or takes too long must not keep the store and the folder open. */
async function stopAll(steps: readonly (() => unknown)[], log: Logger): Promise<void> {
  const deadline = delay(STOP_MS, undefined, { ref: false });
  for (const step of steps.toReversed()) {
    try {
      await Promise.race([step(), deadline]);
    } catch (error) {
      log.error({ err: error }, "a part of the hub did not stop cleanly");
    }
  }
}

function httpServer(deps: HubDeps): Server {
  const answer = getRequestListener(createApp(deps).fetch);
  const isRead = directReader(deps);
  const server = createServer(
    {
      maxHeaderSize: deps.config.limits.maxHeaderBytes,
      headersTimeout: 15_000,
      requestTimeout: LONGEST_REQUEST_MS,
      keepAliveTimeout: 65_000,
      noDelay: true,
      // Other protocols (curl and Java offer h2c) are an offer that HTTP lets a server ignore.
      shouldUpgradeCallback: ({ headers }) => headers.upgrade?.toLowerCase() === "websocket",
    },
    (incoming, outgoing) => {
      const fail = (error: unknown) => {
        deps.log.error({ err: error }, "answering failed");
        outgoing.destroy();
      };
      try {
        if (!isRead(incoming, outgoing)) answer(incoming, outgoing).catch(fail);
      } catch (error) {
        fail(error);
      }
    },
  );
  // Event streams write a keep-alive more often than this.
  return server.setTimeout(Math.max(SOCKET_SILENCE_MS, 2 * deps.config.streamKeepAliveMs));
}

function listen(server: Server, config: HubConfig): Promise<string> {
  return new Promise((done, failed) => {
    server.once("error", failed);
    server.listen({ host: config.host, port: config.port, backlog: 1024 }, () => {
      server.off("error", failed);
      const address = server.address() as AddressInfo;
      const host = address.family === "IPv6" ? `[${address.address}]` : address.address;
      done(`http://${host}:${address.port}`);
    });
  });
}

function openFolder(dataDir: string): void {
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    ensurePrivateFolder(dataDir);
  } catch (cause) {
    throw new HubError("DATA_FOLDER_UNUSABLE", `The data folder ${dataDir} cannot be used`, { cause });
  }
}

/** The token is kept in the folder, so that commands on this machine can use it. */
function keepAdminToken(dataDir: string, given: string | undefined, random: Random): string {
  const path = join(dataDir, "admin-token");
  const kept = readIfPresent(path)?.trim();
  const token = given ?? (kept === undefined || kept === "" ? newSecret(random, "adm_") : kept);
  if (token !== kept) writePrivateFile(path, `${token}\n`);
  return token;
}

function readIfPresent(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

function warnIfExposed(config: HubConfig, log: Logger): void {
  if (isLoopback(config.host)) return;
  log.warn(
    { host: config.host },
    "THE HUB LISTENS BEYOND THIS MACHINE WITHOUT TLS: secrets, tokens and events can be read on the way. " +
      "Put a TLS proxy in front of it, or listen on 127.0.0.1.",
  );
  if (!config.flux.auth) log.warn("WORLD STATE (/api) IS OPEN TO EVERYBODY WHO REACHES THE HUB: turn flux auth on.");
}
