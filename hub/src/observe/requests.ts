/** Owns measuring requests: how many of which route and status, and how long they took. */
import { routePath } from "hono/route";
import type { HubDeps } from "../deps.ts";
import type { HubApp } from "../http/context.ts";
import type { Counter, Histogram, Metrics } from "../runtime.ts";

const LATENCY_BUCKETS_S = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const MS_PER_S = 1000;
/** Routes are few and methods fewer; what lies beyond is somebody trying out methods. */
const MAX_SERIES = 1000;

interface Series {
  readonly requests: Counter;
  readonly latency: Histogram;
}

/** What is counted for one route, method and status. */
export function requestSeries(metrics: Metrics, method: string, route: string, status: number): Series {
  return {
    requests: metrics.counter("agentrux_hub_requests_total", "Requests answered", {
      method,
      route,
      status: String(status),
    }),
    latency: metrics.histogram(
      "agentrux_hub_request_seconds",
      "Time from the request's head to its answer",
      LATENCY_BUCKETS_S,
      { method, route },
    ),
  };
}

/**
 * Measures every request that routes registered after this take. Streams count as answered once they are open. Labels
 * name the route's pattern, never its ids.
 */
export function measureRequests(app: HubApp, { metrics }: Pick<HubDeps, "metrics">): void {
  const known = new Map<string, Series>();

  function seriesOf(method: string, route: string, status: number): Series | undefined {
    const key = `${method} ${route} ${status}`;
    const found = known.get(key);
    if (found !== undefined || known.size >= MAX_SERIES) return found;
    const made = requestSeries(metrics, method, route, status);
    known.set(key, made);
    return made;
  }

  app.use(async (c, next) => {
    const startedAt = performance.now();
    await next();
    const route = routePath(c, -1);
    const series = seriesOf(c.req.method, route === "/*" || route === "*" ? "(none)" : route, c.res.status);
    series?.requests.inc();
    series?.latency.observe((performance.now() - startedAt) / MS_PER_S);
  });
}
