/**
 * Owns showing the agents of this gateway in the world, for as long as an account runs.
 *
 *     quiet --a change--> collecting, 250 ms --> sending what has changed ---------------+--> quiet
 *       \--an interval since the last heartbeat--> sending what has changed, of all -----+
 *     sending --failed--> pausing, ever longer --> sending everything, of all agents
 *     any --stop--> what is being sent is waited for, then "offline" is said once
 *
 * One request is under way at any time, and what changes meanwhile is sent by the next one as it is by then: nothing
 * queues up. Nobody waits for it, so that no turn can be held up or fail over it. Everything is also sent with every tenth
 * heartbeat, because anybody may have deleted the entity, and after a silence in which it may have expired.
 */

import type { FluxEventRequest } from "agentrux-wire";
import type { FluxPresence } from "../config/flux.ts";
import { AgentruxError, errorText, isAgentruxError } from "../errors.ts";
import { cleanText } from "../guard/text.ts";
import { retryDelayMs, slowJitter } from "../service/backoff.ts";
import type { Clock, Random } from "../service/clock.ts";
import { redact } from "../service/redact.ts";
import { createTroubleLog, type TroubleLogPorts } from "../trouble-log.ts";
import type { FluxClient } from "./client.ts";
import {
  changesOf,
  offlineProperties,
  type PresenceFacts,
  presenceEvent,
  type PresentAgent,
  propertiesOf,
  type Properties,
} from "./presence-state.ts";

export interface PresenceOptions extends PresenceFacts {
  readonly client: Pick<FluxClient, "publishBatch" | "server">;
  readonly namespace: string;
  readonly config: Pick<FluxPresence, "intervalMs">;
  /** The agents as they stand now. */
  readonly agents: () => readonly PresentAgent[];
  /** Calls back after each change of an agent, until the result is called. */
  readonly onChange: (listener: () => void) => () => void;
  readonly clock: Clock & { after(delayMs: number, callback: () => void): () => void };
  readonly random: Random;
  readonly log: TroubleLogPorts["log"];
  /** Why it cannot be published, when that changes; undefined when it is published again, and the first time. */
  readonly onTrouble?: (error: string | undefined) => void;
}

export interface PresenceHealth {
  /** Epoch milliseconds; absent before the first success. */
  readonly publishedAt?: number;
  /** Absent while all is well. */
  readonly error?: string;
}

export interface Presence {
  health(): PresenceHealth;
  /** Says "offline" and settles within `limitMs`, whether that was heard or not. Idempotent. */
  stop(limitMs: number): Promise<void>;
}

/** Beats missed before an agent counts as dead. */
const BEATS_PER_TTL = 3;
const COLLECT_MS = 250;
const WHOLE_EVERY_BEATS = 10;
const REQUEST_LIMIT_MS = 10_000;
const BACKOFF = { baseMs: 1_000, capMs: 30_000 } as const;
/** Between attempts at what only a person can mend. */
const LASTING_PAUSE_MS = 300_000;
/** An agent that was stopped is seen for a day. */
const OFFLINE_TTL_S = 86_400;
const TROUBLE = "presence";

/** On both clocks: one stands still while the machine is suspended, the other can be set. */
interface Moment {
  readonly monotonic: number;
  readonly wall: number;
}

export function startPresence(options: PresenceOptions): Presence {
  return new Publisher(options);
}

class Publisher implements Presence {
  readonly #options: PresenceOptions;
  readonly #ttlS: number;
  readonly #troubles;
  readonly #unsubscribe: () => void;
  readonly #ended = new AbortController();
  /** What the world was told of each agent; empty where that is not certain. */
  readonly #told = new Map<string, Properties>();
  #cancelTimer: () => void = () => undefined;
  #sending: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;
  /** Something has changed since the last look. */
  #isDirty = false;
  #isCollecting = false;
  #beatAt: number;
  #beats = 0;
  #failures = 0;
  #okAt: Moment | undefined;
  #health: PresenceHealth = {};

  constructor(options: PresenceOptions) {
    const { clock, log, config } = options;
    this.#options = options;
    this.#ttlS = Math.max(1, Math.ceil((BEATS_PER_TTL * config.intervalMs) / 1_000));
    this.#troubles = createTroubleLog({ log, clock });
    this.#beatAt = clock.monotonic();
    this.#unsubscribe = options.onChange(() => this.#changed());
    this.#wake(0);
  }

  health(): PresenceHealth {
    return this.#health;
  }

  stop(limitMs: number): Promise<void> {
    this.#stopping ??= this.#goOffline(limitMs);
    return this.#stopping;
  }

  /** One timer: whoever sets it knows when the next thing is due. */
  #wake(delayMs: number): void {
    this.#cancelTimer();
    this.#cancelTimer = this.#options.clock.after(delayMs, () => {
      this.#isCollecting = false;
      this.#sending = this.#send().finally(() => {
        this.#sending = undefined;
        if (this.#isDirty) this.#collect();
      });
    });
  }

  #changed(): void {
    this.#isDirty = true;
    this.#collect();
  }

  /** After a failure everything is sent anyway, when the pause is over. */
  #collect(): void {
    const isBusy = this.#isCollecting || this.#sending !== undefined;
    if (isBusy || this.#stopping !== undefined || this.#failures > 0) return;
    this.#isCollecting = true;
    this.#wake(Math.min(COLLECT_MS, this.#untilBeatMs()));
  }

  #untilBeatMs(): number {
    return Math.max(0, this.#beatAt - this.#options.clock.monotonic());
  }

  async #send(): Promise<void> {
    const { clock, config } = this.#options;
    const at = { monotonic: clock.monotonic(), wall: clock.now() };
    const isBeat = at.monotonic >= this.#beatAt || this.#failures > 0;
    if (this.#mayHaveExpired(at) || (isBeat && this.#beats % WHOLE_EVERY_BEATS === 0)) this.#told.clear();
    this.#isDirty = false;
    try {
      if (await this.#publish(isBeat)) this.#succeeded(at);
      if (isBeat) {
        this.#beats += 1;
        this.#beatAt = at.monotonic + config.intervalMs;
      }
      if (this.#stopping === undefined) this.#wake(this.#untilBeatMs());
    } catch (error) {
      this.#failed(error);
    }
  }

  #succeeded(at: Moment): void {
    this.#failures = 0;
    this.#okAt = at;
    if (this.#health.publishedAt === undefined || this.#health.error !== undefined)
      this.#options.onTrouble?.(undefined);
    this.#health = { publishedAt: this.#options.clock.now() };
    this.#troubles.over(TROUBLE, "[agentrux] The agents' presence is published again");
  }

  #failed(error: unknown): void {
    this.#told.clear();
    if (this.#stopping !== undefined) return;
    const text = errorText(error);
    if (text !== this.#health.error) this.#options.onTrouble?.(text);
    this.#health = { ...this.#health, error: text };
    this.#troubles.again(TROUBLE, `[agentrux] The agents' presence cannot be published: ${text}`);
    this.#wake(this.#pauseMs(error));
    this.#failures += 1;
  }

  #mayHaveExpired(at: Moment): boolean {
    const { monotonic, wall } = this.#okAt ?? { monotonic: Number.NEGATIVE_INFINITY, wall: 0 };
    return [at.monotonic - monotonic, at.wall - wall].some((age) => age < 0 || age >= this.#ttlS * 1_000);
  }

  #pauseMs(error: unknown): number {
    const { random, config } = this.#options;
    if (isAgentruxError(error) && !error.retryable && error.kind !== "unknown") {
      return slowJitter(LASTING_PAUSE_MS, random);
    }
    const capMs = Math.max(BACKOFF.baseMs, Math.min(BACKOFF.capMs, config.intervalMs));
    return retryDelayMs(error, this.#failures, { ...BACKOFF, capMs }, random);
  }

  /** @returns whether there was anything to send. */
  async #publish(isBeat: boolean): Promise<boolean> {
    const { agents, clock, namespace } = this.#options;
    const current = this.#current(agents());
    const now = clock.now();
    const events = current.flatMap(([agentId, properties]) => {
      const changes = changesOf(properties, this.#told.get(agentId));
      if (!isBeat && Object.keys(changes).length === 0) return [];
      return [presenceEvent(namespace, agentId, changes, { now, ttlS: this.#ttlS })];
    });
    const known = new Set(current.map(([agentId]) => agentId));
    const gone = [...this.#told.keys()].filter((agentId) => !known.has(agentId));
    events.push(...gone.map((agentId) => this.#offlineEvent(agentId, now)));
    await this.#deliver(events);
    for (const agentId of gone) this.#told.delete(agentId);
    for (const [agentId, properties] of current) this.#told.set(agentId, properties);
    return events.length > 0;
  }

  #current(agents: readonly PresentAgent[]): [string, Properties][] {
    return agents.map((agent) => [agent.agentId, propertiesOf(agent, this.#options, this.#ttlS)]);
  }

  #offlineEvent(agentId: string, now: number): FluxEventRequest {
    const { namespace } = this.#options;
    return presenceEvent(namespace, agentId, offlineProperties(now, OFFLINE_TTL_S), { now, ttlS: OFFLINE_TTL_S });
  }

  /** @throws AgentruxError, also where the server refused one event and took the others. */
  async #deliver(events: readonly FluxEventRequest[]): Promise<void> {
    if (events.length === 0) return;
    const signal = AbortSignal.any([this.#ended.signal, AbortSignal.timeout(REQUEST_LIMIT_MS)]);
    const { results } = await this.#options.client.publishBatch(events, signal);
    const refused = results.find(({ error }) => typeof error === "string" && error !== "");
    if (refused !== undefined) throw refusalOf(redact(refused.error ?? "", [this.#options.client.server.token ?? ""]));
  }

  async #goOffline(limitMs: number): Promise<void> {
    const { clock, agents, log } = this.#options;
    this.#unsubscribe();
    this.#cancelTimer();
    const cancel = clock.after(limitMs, () => this.#ended.abort());
    try {
      await this.#sending;
      // Where nobody has been heard of, nobody has to be called away.
      if (this.#okAt === undefined) return;
      const now = clock.now();
      await this.#deliver(agents().map(({ agentId }) => this.#offlineEvent(agentId, now)));
    } catch (error) {
      log.warn(`[agentrux] The agents could not be shown as offline; their presence expires: ${errorText(error)}`);
    } finally {
      cancel();
    }
  }
}

/** What a server says of one event in a batch it took; both kinds of servers name the refusals of a token like this. */
function refusalOf(words: string): AgentruxError {
  const isLasting = /^(?:authorization|validation) failed/.test(words);
  const text = cleanText(words, 200);
  return new AgentruxError(isLasting ? "forbidden" : "server_error", text, { kind: "refused", retryable: !isLasting });
}
