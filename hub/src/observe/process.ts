/** Owns the measurements of the process itself: memory, event-loop delay, size of the data folder. */
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import type { Metrics } from "../runtime.ts";

const NS_PER_S = 1e9;
const RESOLUTION_MS = 10;

/**
 * Starts measuring the process. Event-loop delay is what the loop was late by, over the time since the last collection.
 *
 * @returns the way to stop measuring
 */
export function measureProcess(metrics: Metrics, dataDir: string): () => void {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  let p99 = 0;
  let max = 0;
  // The histogram holds the time between two looks, which is the resolution when the loop is not late at all.
  const late = (ns: number) => (delay.count === 0 ? 0 : Math.max(0, ns / NS_PER_S - RESOLUTION_MS / 1000));
  metrics.gauge(
    "agentrux_hub_event_loop_delay_p50_seconds",
    "Median event-loop delay since the last collection",
    () => {
      const p50 = late(delay.percentile(50));
      p99 = late(delay.percentile(99));
      max = late(delay.max);
      delay.reset();
      return p50;
    },
  );
  metrics.gauge("agentrux_hub_event_loop_delay_p99_seconds", "99th percentile of the event-loop delay", () => p99);
  metrics.gauge("agentrux_hub_event_loop_delay_max_seconds", "Longest event-loop delay", () => max);
  metrics.gauge("process_resident_memory_bytes", "Resident memory", () => process.memoryUsage.rss());
  metrics.gauge("process_uptime_seconds", "Time since the process started", () => process.uptime());
  metrics.gauge("agentrux_hub_store_bytes", "Size of the database files, write-ahead log included", () =>
    sizeOf(dataDir),
  );
  return () => delay.disable();
}

/** Bytes of the files directly in `folder`: the database and its companions, not the payload objects below it. */
function sizeOf(folder: string): number {
  try {
    return readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isFile())
      .reduce((sum, entry) => sum + statSync(join(folder, entry.name)).size, 0);
  } catch {
    // A file went away between the two looks, as SQLite's do: the next collection will have the figure.
    return Number.NaN;
  }
}
