/**
 * Owns how troubles are logged, whoever has them: the reading, the outbox, the stream, the journal.
 *
 * The first occurrence is a warning. Repetitions are told ever more rarely, with their number and since when, and as an
 * error once the trouble has lasted a minute: a night's outage is about a dozen lines. When it is over, one line says so.
 * A trouble that comes back within a minute is still the same one, so that one which flickers fills no log either.
 */

export interface TroubleLogPorts {
  readonly log: {
    info(line: string): void;
    warn(line: string): void;
    error(line: string): void;
  };
  readonly clock: {
    /** Epoch milliseconds. */
    now(): number;
    /** Milliseconds that never go back. */
    monotonic(): number;
  };
}

/** Logs troubles, each known by a name. */
export interface TroubleLog {
  /** It has happened once more. `line` is what would be logged, were this all. */
  again(trouble: string, line: string): void;
  /** It does not happen any more. Costs nothing where there was none: meant to be called with every success. */
  over(trouble: string, line: string): void;
}

interface Episode {
  count: number;
  readonly since: number;
  readonly begun: number;
  pauseMs: number;
  /** No line about a repetition before this. */
  tellAt: number;
  endedAt: number | undefined;
  endTold: boolean;
  /** No line about an end before this. */
  tellEndAt: number;
}

const FIRST_PAUSE_MS = 10_000;
const LONGEST_PAUSE_MS = 3_600_000;
/** A trouble that has lasted so long does not pass unattended. */
const RISE_MS = 60_000;
const CALM_MS = 60_000;

/**
 * @example
 * const troubles = createTroubleLog({ log, clock });
 * troubles.again("drain", "Poller error: HTTP 503");
 * troubles.over("drain", "Reading goes on");
 */
export function createTroubleLog({ log, clock }: TroubleLogPorts): TroubleLog {
  const episodes = new Map<string, Episode>();

  const told = (line: string, { count, since }: Episode): string =>
    count === 1 ? line : `${line} (${count} times since ${new Date(since).toISOString()})`;

  const begin = (trouble: string, at: number): void => {
    episodes.set(trouble, {
      count: 1,
      since: clock.now(),
      begun: at,
      pauseMs: FIRST_PAUSE_MS,
      tellAt: at + FIRST_PAUSE_MS,
      endedAt: undefined,
      endTold: false,
      tellEndAt: 0,
    });
  };

  return {
    again(trouble, line) {
      const at = clock.monotonic();
      const episode = episodes.get(trouble);
      if (episode === undefined || (episode.endedAt !== undefined && at - episode.endedAt > CALM_MS)) {
        begin(trouble, at);
        log.warn(line);
        return;
      }
      episode.endedAt = undefined;
      episode.endTold = false;
      episode.count += 1;
      if (at < episode.tellAt) return;
      episode.pauseMs = Math.min(episode.pauseMs * 2, LONGEST_PAUSE_MS);
      episode.tellAt = at + episode.pauseMs;
      log[at - episode.begun >= RISE_MS ? "error" : "warn"](told(line, episode));
    },
    over(trouble, line) {
      const episode = episodes.get(trouble);
      if (episode === undefined || episode.endTold) return;
      const at = clock.monotonic();
      episode.endedAt ??= at;
      if (at < episode.tellEndAt) return;
      episode.tellEndAt = at + CALM_MS;
      episode.endTold = true;
      log.info(told(line, episode));
    },
  };
}
