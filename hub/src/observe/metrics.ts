/** Owns the measurements: a registry of counters, histograms and gauges that renders Prometheus' text format. */
import type { Counter, Histogram, Labels, Metrics } from "../runtime.ts";

/** Content type of what `Metrics.render` gives (Prometheus exposition format 0.0.4). */
export const METRICS_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

interface Series {
  /** Sample lines of this series, without the family's HELP and TYPE. */
  readonly lines: () => string[];
  readonly handle: Counter | Histogram | undefined;
}

interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "histogram" | "gauge";
  readonly series: Map<string, Series>;
}

const NAME_PATTERN = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;

/**
 * An empty registry. Asking twice for one name and label set gives the same counter.
 *
 * @throws TypeError when a name is no Prometheus name, or is asked for again as another type: both are programming errors
 */
export function createMetrics(): Metrics {
  const families = new Map<string, Family>();

  function family(name: string, help: string, type: Family["type"]): Family {
    const known = families.get(name);
    if (known !== undefined) {
      if (known.type !== type) throw new TypeError(`metric ${name} is a ${known.type}, not a ${type}`);
      return known;
    }
    if (!NAME_PATTERN.test(name)) throw new TypeError(`${name} is not a metric name`);
    const made: Family = { name, help, type, series: new Map() };
    families.set(name, made);
    return made;
  }

  return {
    counter(name, help, labels = {}) {
      const { series } = family(name, help, "counter");
      const key = labelText(labels);
      const known = series.get(key)?.handle;
      if (known !== undefined && "inc" in known) return known;
      let total = 0;
      const handle: Counter = { inc: (by = 1) => void (total += by) };
      series.set(key, { handle, lines: () => [`${name}${key} ${number(total)}`] });
      return handle;
    },

    histogram(name, help, bucketUpperBounds, labels = {}) {
      const { series } = family(name, help, "histogram");
      const key = labelText(labels);
      const known = series.get(key)?.handle;
      if (known !== undefined && "observe" in known) return known;
      const made = histogramSeries(name, bucketUpperBounds, labels);
      series.set(key, made);
      return made.handle;
    },

    gauge(name, help, read, labels = {}) {
      const key = labelText(labels);
      family(name, help, "gauge").series.set(key, {
        handle: undefined,
        lines: () => [`${name}${key} ${number(read())}`],
      });
    },

    render() {
      const lines: string[] = [];
      for (const { name, help, type, series } of families.values()) {
        lines.push(`# HELP ${name} ${help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")}`, `# TYPE ${name} ${type}`);
        for (const one of series.values()) lines.push(...one.lines());
      }
      return `${lines.join("\n")}\n`;
    },
  };
}

function histogramSeries(
  name: string,
  bucketUpperBounds: readonly number[],
  labels: Labels,
): Series & { readonly handle: Histogram } {
  const bounds = [...bucketUpperBounds].sort((a, b) => a - b);
  const counts = bounds.map(() => 0);
  let count = 0;
  let sum = 0;
  const handle: Histogram = {
    observe(value) {
      count += 1;
      sum += value;
      const bucket = bounds.findIndex((bound) => value <= bound);
      if (bucket >= 0) counts[bucket] = (counts[bucket] ?? 0) + 1;
    },
  };
  const lines = () => {
    let below = 0;
    const buckets = bounds.map((bound, i) => {
      below += counts[i] ?? 0;
      return `${name}_bucket${labelText({ ...labels, le: number(bound) })} ${below}`;
    });
    const key = labelText(labels);
    buckets.push(`${name}_bucket${labelText({ ...labels, le: "+Inf" })} ${count}`);
    return [...buckets, `${name}_sum${key} ${number(sum)}`, `${name}_count${key} ${count}`];
  };
  return { handle, lines };
}

function labelText(labels: Labels): string {
  const entries = Object.entries(labels);
  if (entries.length === 0) return "";
  const escape = (value: string) => value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
  return `{${entries.map(([name, value]) => `${name}="${escape(value)}"`).join(",")}}`;
}

function number(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "+Inf" : "-Inf";
  return String(value);
}
