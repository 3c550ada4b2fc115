/** The hub's HTTP application: routing, and what every request has in common. */
import { Hono } from "hono";
import { getPath } from "hono/utils/url";
import { AREAS } from "./areas.ts";
import type { HubDeps } from "./deps.ts";
import { HubError, isHubError } from "./errors.ts";
import type { HubApp, HubEnv } from "./http/context.ts";
import { errorResponse } from "./http/errors.ts";

export type { HubDeps } from "./deps.ts";

const FAILURE_LOG_INTERVAL_MS = 10_000;

/** Builds the application. It needs the bindings of `@hono/node-server`: bodies and streams use the node request. */
export function createApp(deps: HubDeps): HubApp {
  const app = new Hono<HubEnv>({ getPath: normalizedPath });
  app.notFound((c) => errorResponse(c, new HubError("NOT_FOUND", "No such endpoint")));
  const logFailure = failureLog(deps);
  app.onError((error, c) => {
    if (isHubError(error)) {
      if (error.status >= 500) logFailure(error, c.req.path);
      return errorResponse(c, error);
    }
    deps.log.error({ err: error, path: c.req.path }, "unexpected failure");
    return errorResponse(c, new HubError("INTERNAL", "The hub failed on this request", { cause: error }));
  });
  for (const register of AREAS) register(app, deps);
  return app;
}

/** A full disk fails every publish: one line of a kind in a while tells it, thousands a second would fill it further. */
function failureLog({ log, clock }: HubDeps): (error: HubError, path: string) => void {
  const loggedAt = new Map<string, number>();
  return (error, path) => {
    const now = clock.now();
    if (now - (loggedAt.get(error.code) ?? -Infinity) < FAILURE_LOG_INTERVAL_MS) return;
    loggedAt.set(error.code, now);
    log.error({ err: error, path }, "request failed");
  };
}

/** Clients that keep the trailing slash of their base URL send `//auth/token` (wire spec 9.2 rule 3). */
function normalizedPath(request: Request): string {
  const path = getPath(request);
  return path.includes("//") ? path.replace(/\/{2,}/g, "/") : path;
}
