/**
 * Owns what is known of the work of this gateway's agents: which of them are in a run, of what kind, and how the last one
 * ended. Whoever sees a run says so; several may see the same agent at work. No word of what a run is about is kept.
 *
 *     idle --begin--> busy --end of its last run--> idle
 */

import type { Clock } from "../service/clock.ts";

export type RunOutcome = "completed" | "failed" | "timeout" | "stopped";

export interface BegunRun {
  /** Unique among the runs under way. */
  readonly id: string;
  readonly agentId: string;
  /** What kind of work it is, fit for everybody's eyes. */
  readonly task: string;
  /** Its end may never be told: it is given up after two silent hours. */
  readonly mayVanish?: boolean;
}

export interface AgentStanding {
  readonly status: "idle" | "busy";
  /** Of the run that has been under way for longest. */
  readonly task?: string;
  /** Epoch milliseconds. */
  readonly since: number;
  readonly lastRun?: { readonly at: number; readonly outcome: RunOutcome; readonly durationMs: number };
}

interface Run {
  readonly agentId: string;
  readonly task: string;
  readonly begun: number;
  readonly mayVanish: boolean;
  seen: number;
}

interface Agent {
  status: AgentStanding["status"];
  since: number;
  lastRun?: AgentStanding["lastRun"];
}

/** Longer than any tool is silent, and short enough for an agent not to look busy for days. */
const SILENT_MS = 2 * 3_600_000;

export class AgentActivity {
  readonly #clock: Clock;
  readonly #begunAt: number;
  readonly #runs = new Map<string, Run>();
  readonly #agents = new Map<string, Agent>();
  readonly #listeners = new Set<() => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#begunAt = clock.now();
  }

  begin({ id, agentId, task, mayVanish = false }: BegunRun): void {
    if (this.#runs.has(id)) return this.seen(id);
    const at = this.#clock.monotonic();
    this.#runs.set(id, { agentId, task, begun: at, seen: at, mayVanish });
    this.#settle(agentId);
  }

  /** A sign of life of a run. Costs nothing where there is no such run: meant to be called often. */
  seen(id: string): void {
    const run = this.#runs.get(id);
    if (run !== undefined) run.seen = this.#clock.monotonic();
  }

  /** @param outcome Absent where nothing ran after all. */
  end(id: string, outcome?: RunOutcome): void {
    const run = this.#runs.get(id);
    if (run === undefined) return;
    this.#runs.delete(id);
    if (outcome !== undefined) {
      const durationMs = Math.round(this.#clock.monotonic() - run.begun);
      this.#agentOf(run.agentId).lastRun = { at: this.#clock.now(), outcome, durationMs };
    }
    this.#settle(run.agentId);
  }

  /** Forgets runs whose end will not be told any more. */
  dropVanishing(): void {
    for (const [id, run] of this.#runs) if (run.mayVanish) this.end(id);
  }

  /** Whether a run that is sure to be ended is under way. */
  isAtWork(agentId: string): boolean {
    return [...this.#runs.values()].some((run) => run.agentId === agentId && !run.mayVanish);
  }

  of(agentId: string): AgentStanding {
    const tooOld = this.#clock.monotonic() - SILENT_MS;
    for (const [id, run] of this.#runs) if (run.mayVanish && run.seen < tooOld) this.end(id);
    const { status, since, lastRun } = this.#agentOf(agentId);
    const oldest = [...this.#runs.values()].find((run) => run.agentId === agentId);
    return {
      status,
      since,
      ...(oldest === undefined ? {} : { task: oldest.task }),
      ...(lastRun === undefined ? {} : { lastRun }),
    };
  }

  /** Calls `listener` after each change, until the result is called. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  #agentOf(agentId: string): Agent {
    const known = this.#agents.get(agentId);
    if (known !== undefined) return known;
    const agent: Agent = { status: "idle", since: this.#begunAt };
    this.#agents.set(agentId, agent);
    return agent;
  }

  #settle(agentId: string): void {
    const agent = this.#agentOf(agentId);
    const status = [...this.#runs.values()].some((run) => run.agentId === agentId) ? "busy" : "idle";
    if (status !== agent.status) Object.assign(agent, { status, since: this.#clock.now() });
    for (const listener of this.#listeners) listener();
  }
}
