/** Owns the account's numbers as an operator scrapes them: what is counted, and the Prometheus text of it. Pure. */

import type { WatchNumbers } from "../flux/watch/watch-set.ts";
import type { DeliveryHealth } from "../intake/delivery.ts";
import type { IntakeHealth } from "../intake/intake.ts";

/** One family of samples. Names follow Prometheus: base units, `_total` for what only rises. */
export interface Metric {
  readonly name: string;
  readonly kind: "counter" | "gauge";
  readonly help: string;
  readonly samples: readonly Sample[];
}

interface Sample {
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

const seconds = (ms: number): number => ms / 1_000;

const gauge = (name: string, help: string, value: number): Metric => ({
  name,
  kind: "gauge",
  help,
  samples: [{ value }],
});

const counter = (name: string, help: string, value: number): Metric => ({
  name,
  kind: "counter",
  help,
  samples: [{ value }],
});

function counterBy(
  name: string,
  help: string,
  label: string,
  by: Readonly<Record<string, number | undefined>>,
): Metric {
  const samples = Object.entries(by).map(([key, value]) => ({ labels: { [label]: key }, value: value ?? 0 }));
  return { name, kind: "counter", help, samples };
}

/** @param journalBytes What the journal takes on disk. Counters begin at zero with each start of the account. */
export function metricsOf(intake: IntakeHealth, delivery: DeliveryHealth, journalBytes: number): readonly Metric[] {
  const { counts, last } = delivery;
  const lastSuccess = Object.entries({ pull: intake.lastPullAt, turn: last.turn, publish: last.published }).flatMap(
    ([work, at]) => (at === undefined ? [] : [{ labels: { work }, value: seconds(at) }]),
  );
  return [
    {
      name: "agentrux_last_success_timestamp_seconds",
      kind: "gauge",
      help: "When this kind of work last succeeded",
      samples: lastSuccess,
    },
    gauge("agentrux_stream_open", "Whether the hint stream is open", Number(intake.connected)),
    gauge("agentrux_reading_lags", "Whether there may be events that are not read yet", Number(intake.lagging)),
    gauge("agentrux_backlog_commands", "Commands taken over and not answered", delivery.backlog),
    gauge("agentrux_backlog_oldest_age_seconds", "Age of the oldest of them", seconds(delivery.oldestAgeMs)),
    gauge("agentrux_turns_running", "Turns under way", delivery.running),
    gauge("agentrux_waiting_for_host", "Commands the host may still answer by itself", delivery.waitingForHost),
    gauge("agentrux_unsent_replies", "Commands whose reply is not published", delivery.unsentReplies),
    gauge("agentrux_dead_letters", "Dead letters kept", delivery.deadLetters),
    gauge("agentrux_journal_bytes", "Size of the journal on disk, its log included", journalBytes),
    gauge(
      "agentrux_journal_fault",
      "Whether the journal cannot be written",
      Number(delivery.journalFault !== undefined),
    ),
    gauge("agentrux_publish_fault", "Whether publishing fails lastingly", Number(delivery.publishFault !== undefined)),
    counter("agentrux_events_total", "Events taken over", counts.events),
    counter("agentrux_malformed_events_total", "Events that could not be read", intake.malformed + counts.malformed),
    counter("agentrux_commands_total", "Events that were commands", counts.commands),
    counter("agentrux_duplicate_events_total", "Events that had been taken over before", counts.duplicates),
    counter("agentrux_repeated_requests_total", "Events with a request id taken over before", counts.repeatedRequests),
    counterBy("agentrux_ignored_events_total", "Events passed over", "reason", counts.ignored),
    counterBy(
      "agentrux_rejected_commands_total",
      "Commands refused; too_many_hops is the loop guard",
      "reason",
      counts.rejected,
    ),
    counterBy(
      "agentrux_turn_attempts_total",
      "Attempts, by how they ended; refused is the loop budget",
      "end",
      counts.turns,
    ),
    counterBy("agentrux_replies_total", "Terminal replies", "status", counts.replies),
    counter("agentrux_published_total", "Replies published", counts.published),
    counter("agentrux_expired_total", "Replies given up", counts.expired),
    counter(
      "agentrux_publish_failures_total",
      "Sends of a reply that failed and were put off",
      delivery.publishFailures,
    ),
  ];
}

/** Of watching the world; none where there is no server for it. */
export function watchMetricsOf(numbers: WatchNumbers | undefined): readonly Metric[] {
  if (numbers === undefined) return [];
  return [
    gauge("agentrux_watches", "Watches of the world", numbers.watches),
    gauge("agentrux_watch_connected", "Whether all that is watched is known and followed", Number(numbers.connected)),
    gauge("agentrux_watched_entities", "Entities seen, counted once for each watch", numbers.entities),
    gauge("agentrux_watched_changes_held", "Changes that wait for their time to be told", numbers.held),
    counter("agentrux_watch_turns_total", "Turns started by watches", numbers.turns),
    counter("agentrux_watched_changes_total", "Changes told of", numbers.changes),
  ];
}

const escaped = (text: string): string => text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");

/**
 * The Prometheus text format, version 0.0.4: one family after the other, all accounts in each.
 *
 * @example prometheusText(new Map([["default", metricsOf(intake, delivery, bytes)]]))
 */
export function prometheusText(accounts: ReadonlyMap<string, readonly Metric[]>): string {
  const families = new Map<string, string[]>();
  for (const [account, metrics] of accounts) {
    for (const { name, kind, help, samples } of metrics) {
      const lines = families.get(name) ?? [`# HELP ${name} ${help}`, `# TYPE ${name} ${kind}`];
      families.set(name, lines);
      for (const { labels = {}, value } of samples) {
        const all = Object.entries({ account, ...labels }).map(([key, text]) => `${key}="${escaped(text)}"`);
        lines.push(`${name}{${all.join(",")}} ${value}`);
      }
    }
  }
  return `${[...families.values()].flat().join("\n")}\n`;
}
