/**
 * Owns one session of an account: the time in which it works with one set of credentials.
 *
 *     journal (or standby until its owner ends) -> delivery takes up what is open -> intake reads -> ... -> stop
 *
 * Started in that order, because nothing may be read before there is a place to put it, and stopped in the reverse
 * order, each step with a deadline: reading ends at once, running turns may finish, replies are sent, and what is left
 * is taken up by the next start. Health comes from work done: the state is what the intake and the journal last
 * managed, never what a socket says.
 */

import type { AccountPaths } from "../credentials/home.ts";
import type { StoredCredentials } from "../credentials/schema.ts";
import { AgentruxError, errorText, isAgentruxError } from "../errors.ts";
import { failpoint } from "../failpoint.ts";
import { createDelivery, type Delivery } from "../intake/delivery.ts";
import { type Intake, startIntake } from "../intake/intake.ts";
import { isPosition } from "../intake/positions.ts";
import { Waterline } from "../intake/waterline.ts";
import { createTroubleLog, type TroubleLog } from "../trouble-log.ts";
import { waterlineFile } from "../intake/waterline-file.ts";
import { type JournalFile, waitForJournal } from "../journal/journal.ts";
import { createReplyChannel } from "../replies/channel.ts";
import { type Clock, pause, systemClock } from "../replies/ports.ts";
import { createServiceClient } from "../service/client.ts";
import { type Sleep, systemSleep } from "../service/clock.ts";
import type { Cursor, ServiceClient } from "../service/types.ts";
import { aborted } from "./aborted.ts";
import { type AccountAttachments, openAttachments } from "./attachments.ts";
import { healthOf } from "./health.ts";
import { type Listeners, startListeners } from "./listeners.ts";
import { withConfiguredUrl } from "./service-url.ts";
import { metricsOf, watchMetricsOf } from "./metrics.ts";
import { openPresence } from "./presence.ts";
import { StateBoard } from "./state-board.ts";
import { type AccountWatches, openWatches } from "./watches.ts";
import { type AccountWorld, openWorld } from "./world.ts";
import type { AccountOptions } from "./types.ts";

export interface SessionOptions extends AccountOptions {
  readonly credentials: StoredCredentials;
  readonly paths: AccountPaths;
}

/** A fault of the journal or the disk is met by a new session after this pause. */
const REOPEN_PAUSE_MS = 5_000;
/** What a stop may take beyond the turns that are still running. */
const STOP_MARGIN_MS = 10_000;
const ACTIVITY_EVERY_MS = 1_000;
const RECOUNT_EVERY = 30;

const UNSAVED = "The read position cannot be stored";

/** Works until `signal` aborts, or until the journal has to be opened anew. Never rejects. */
export async function runSession(options: SessionOptions): Promise<void> {
  const { log, signal, setState } = options;
  try {
    await serve(options);
  } catch (error) {
    if (signal.aborted) return;
    log.error(`[agentrux] ${errorText(error)}`);
    const lasting = isAgentruxError(error) && !error.retryable;
    setState({ kind: lasting ? "blocked" : "recovering", reason: errorText(error) });
    await systemSleep(REOPEN_PAUSE_MS, signal).catch(() => undefined);
  }
}

async function serve(options: SessionOptions): Promise<void> {
  failpoint("session.starting");
  const { config, log, onRunning } = options;
  const credentials = withConfiguredUrl(options.credentials, config);
  if (credentials.baseUrl !== options.credentials.baseUrl) {
    const { baseUrl } = options.credentials;
    log.warn(`[agentrux] baseUrl is ${config.baseUrl}, the credentials were issued at ${baseUrl}; using baseUrl`);
  }
  const failed = new AbortController();
  const until = AbortSignal.any([options.signal, failed.signal]);
  const board = new StateBoard(options.setState);
  const client = createServiceClient(credentials, { ...timeOf(options), ...options.service });
  const attachments = openAttachments(options, client, credentials.baseUrl, timeOf(options).clock);
  const world = openWorld(config, credentials, timeOf(options).clock);
  try {
    const journal = await ownJournal(options, until, () => failed.abort());
    failpoint("session.journal-open");
    try {
      board.set({ kind: "starting" });
      // Not before: who stood by would go on from where it began to wait, and pass over what came meanwhile.
      const positions = createTroubleLog({ log, clock: timeOf(options).clock });
      const waterline = await openWaterline(options, positions);
      let intake: Intake | undefined;
      const move = async (topicId: string, cursor: Cursor): Promise<boolean> => {
        if (topicId !== config.commandTopicId || !isPosition(credentials.generation, cursor)) return false;
        if (intake === undefined) throw new AgentruxError("stopped", "The topic is not read yet", { retryable: true });
        await intake.moveTo(cursor);
        return true;
      };
      const delivery = deliveryOver(options, client, journal, attachments, move);
      await delivery.start();
      failpoint("session.delivery-started");
      const watches = await watchesOver(options, world, journal, delivery).catch(async (error: unknown) => {
        await delivery.stop(0);
        throw error;
      });
      const reading = intakeOver(options, client, waterline, delivery, board);
      intake = reading;
      const listeners = listenersOver(options, client, waterline, delivery);
      const presence = openPresence(options, world, timeOf(options).clock);
      onRunning({
        acceptHostReply: (address, text, media) => delivery.acceptHostReply(address, text, media),
        attach: (address, file, rules) => attachments.attach(address, file, rules),
        traceOf: (address) => delivery.traceOf(address),
        service: client,
        world: world.client,
        watches: watches.registry,
        probe: (signal) => client.probe(signal),
        health: () => ({
          ...healthOf(reading.health(), delivery.snapshot()),
          ...listeners.health(),
          ...world.health(),
          ...presence.health(),
          ...watches.health(),
        }),
        async metrics() {
          await delivery.recount();
          const metrics = metricsOf(reading.health(), delivery.snapshot(), await journal.bytes());
          return [...metrics, ...watchMetricsOf(watches.numbers())];
        },
      });
      const stopActivity = reportActivity(options, reading, delivery, board, positions);
      try {
        await aborted(until);
      } finally {
        stopActivity();
        failpoint("session.stopping");
        await Promise.all([reading.stop(), listeners.stop(), watches.stop()]);
        failpoint("session.intake-stopped");
        const turnMs = (options.current?.() ?? config).subagentTimeoutMs;
        const running = delivery.snapshot().running > 0 ? turnMs : 0;
        await delivery.stop(running + STOP_MARGIN_MS);
        failpoint("session.delivery-stopped");
        await presence.stop();
        log.info("[agentrux] Gateway stopped");
      }
    } finally {
      await journal.close();
      failpoint("session.journal-closed");
    }
  } finally {
    await Promise.all([client.close(), attachments.close(), world.close()]);
  }
}

function timeOf({ clock = systemClock }: AccountOptions): { readonly clock: Clock; readonly sleep: Sleep } {
  const sleep: Sleep = async (ms, signal) => {
    await pause(clock, ms, signal);
    signal.throwIfAborted();
  };
  return { clock, sleep };
}

async function openWaterline({ paths, credentials, log }: SessionOptions, troubles: TroubleLog): Promise<Waterline> {
  const waterline = await Waterline.open({
    store: waterlineFile(paths.waterline, () => new Date()),
    generation: credentials.generation,
    onProblem: (error) => troubles.again("position", `[agentrux] ${UNSAVED}: ${errorText(error)}`),
  });
  for (const finding of waterline.findings) log.warn(`[agentrux] ${finding.text}.`);
  return waterline;
}

async function ownJournal(
  { paths, log, setState }: SessionOptions,
  signal: AbortSignal,
  onFailure: () => void,
): Promise<JournalFile> {
  let isOpen = false;
  const file = await waitForJournal(
    {
      directory: paths.dir,
      onFinding: (finding) => {
        log.error(`[agentrux] ${finding.message}`);
        // What is open on disk is no longer what was loaded: answered commands may have to be answered again.
        if (isOpen) onFailure();
      },
      onFailure: (error) => {
        log.error(`[agentrux] ${errorText(error)}`);
        onFailure();
      },
    },
    signal,
    (pid) => {
      const owner = pid === undefined ? "" : ` (pid ${pid})`;
      const reason = `standby: another gateway${owner} owns ${paths.dir}`;
      log.info(`[agentrux] ${reason}`);
      setState({ kind: "standby", reason });
    },
  );
  isOpen = true;
  return file;
}

function deliveryOver(
  options: SessionOptions,
  client: ServiceClient,
  journal: JournalFile,
  attachments: AccountAttachments,
  move: (topicId: string, cursor: Cursor) => Promise<boolean>,
): Delivery {
  const { config, credentials, runner, log, current = () => config } = options;
  const { accountId, resultTopicId } = config;
  const own = credentials.scriptId;
  return createDelivery({
    journal: journal.account(accountId),
    runner: attachments.around(runner),
    channel: createReplyChannel(client, resultTopicId, attachments.copies),
    ...(attachments.files === undefined ? {} : { files: attachments.files }),
    log,
    get maxConcurrency() {
      return current().maxConcurrency;
    },
    get turnTimeoutMs() {
      return current().subagentTimeoutMs;
    },
    get maxAttempts() {
      return current().maxAttempts;
    },
    get replyMaxAgeMs() {
      return current().replyMaxAgeMs;
    },
    get paused() {
      return !current().enabled;
    },
    generation: credentials.generation,
    parse: {
      get senders() {
        return current().senders;
      },
      ...(config.excludeOwnEvents && own !== undefined ? { ownScriptId: own } : {}),
      listening: {
        topics: new Set(config.messagingTopics.filter(({ listen }) => listen).map(({ topicId }) => topicId)),
        ...(own === undefined ? {} : { ownScriptId: own }),
      },
    },
    clock: timeOf(options).clock,
    move,
  });
}

function intakeOver(
  options: SessionOptions,
  client: ServiceClient,
  waterline: Waterline,
  delivery: Delivery,
  board: StateBoard,
): Intake {
  const { config, log } = options;
  let told = false;
  log.info(`[agentrux] Gateway starting: topic=${config.commandTopicId} agent=${config.agentId}`);
  return startIntake({
    topicId: config.commandTopicId,
    client,
    waterline,
    admit: delivery.admit,
    recall: (topicId) => delivery.recall(topicId),
    startFrom: config.startFrom,
    ...(options.skip === undefined ? {} : { skip: options.skip }),
    excludeSelf: config.excludeOwnEvents,
    pollIntervalMs: config.pollIntervalMs,
    onTrouble: (trouble) => board.trouble(trouble, (line) => log.warn(line)),
    onHealthy: () => {
      board.set({ kind: "ready" });
      if (!told) log.info(`[agentrux] Watching commandTopic ${config.commandTopicId}`);
      told = true;
    },
    log,
    ...timeOf(options),
    random: Math.random,
  });
}

function listenersOver(
  options: SessionOptions,
  client: ServiceClient,
  waterline: Waterline,
  delivery: Delivery,
): Listeners {
  const { config, log } = options;
  return startListeners({
    topics: config.messagingTopics,
    client,
    waterline,
    admit: delivery.admit,
    recall: (topicId) => delivery.recall(topicId),
    startFrom: config.startFrom,
    pollIntervalMs: config.pollIntervalMs,
    log,
    ...timeOf(options),
    random: Math.random,
  });
}

function watchesOver(
  options: SessionOptions,
  world: AccountWorld,
  journal: JournalFile,
  delivery: Delivery,
): Promise<AccountWatches> {
  const { config, log, watching: times = {} } = options;
  return openWatches({
    watches: config.flux.watches,
    world,
    journal: journal.account(config.accountId),
    delivery,
    log,
    ...timeOf(options),
    random: Math.random,
    times,
  });
}

/** Tells the host when work was last done, and what the journal says of the disk. */
function reportActivity(
  options: SessionOptions,
  intake: Intake,
  delivery: Delivery,
  board: StateBoard,
  positions: TroubleLog,
): () => void {
  let told = "";
  let ticks = 0;
  const timer = setInterval(() => {
    ticks += 1;
    // A journal that cannot be read says so itself.
    if (ticks % RECOUNT_EVERY === 0) delivery.recount().catch(() => undefined);
    // A limit may have been raised: what waited for it starts now, not with the next event.
    delivery.pump();
    const { last, journalFault, publishFault } = delivery.snapshot();
    const { unsaved, lastAdmitAt: lastInboundAt } = intake.health();
    if (!unsaved) positions.over("position", "[agentrux] The read position is stored again");
    board.fault(journalFault ?? (unsaved ? UNSAVED : undefined));
    board.publishing(publishFault);
    const activity = {
      ...(lastInboundAt === undefined ? {} : { lastInboundAt }),
      ...(last.published === undefined ? {} : { lastOutboundAt: last.published }),
    };
    const now = JSON.stringify(activity);
    if (now !== told) options.onActivity(activity);
    told = now;
  }, ACTIVITY_EVERY_MS);
  return () => clearInterval(timer);
}
