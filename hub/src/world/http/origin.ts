/**
 * Owns which web pages may call. With auth, any: a page can only do what its token allows. Without auth every page that
 * somebody on this machine happens to open could read and change the world, so only pages of this machine and of the hub's
 * own address may, and requests of others are refused (a departure from the stock server, which lets everybody).
 */
import type { IncomingHttpHeaders } from "node:http";
import type { HubConfig } from "../../config.ts";
import { HubError } from "../../errors.ts";
import type { HubApp } from "../../http/context.ts";
import { hostCheck } from "../../http/host.ts";

const HEADERS = "Authorization, Content-Type, If-Match, If-None-Match";
const EXPOSED = "ETag, Flux-Next-Cursor, Retry-After";
const METHODS = "GET, POST, PUT, PATCH, DELETE, OPTIONS";
const DAY_S = "86400";

/** Why a request may not come from where its headers say it comes from; undefined when it may. */
export type CallCheck = (headers: IncomingHttpHeaders) => string | undefined;

export function callCheck({ flux, publicUrl }: HubConfig): CallCheck {
  if (flux.auth || flux.allowAnyOrigin) return () => undefined;
  const isOwnHost = hostCheck(publicUrl);
  const publicHost = hostOf(publicUrl ?? "");
  return ({ host, origin }) => {
    if (!isOwnHost(host))
      return "A hub without auth is called by its address, as localhost, or by the name in its public URL";
    // Programs send none.
    if (origin === undefined) return undefined;
    const page = hostOf(origin);
    if (page !== undefined && (isThisMachine(page) || page === publicHost)) return undefined;
    return "Pages of other sites may not call a hub without auth";
  };
}

/** Answers preflights, refuses strange pages, and lets those that may call read the answers. */
export function registerOrigins(app: HubApp, config: HubConfig): void {
  const refusalOf = callCheck(config);
  app.use("/api/*", async (c, next) => {
    const refusal = refusalOf(c.env.incoming.headers);
    if (refusal !== undefined) throw new HubError("FORBIDDEN", refusal);
    const { origin } = c.env.incoming.headers;
    if (c.req.method === "OPTIONS") return c.body(null, 204, corsHeaders(origin, true));
    await next();
    for (const [name, value] of Object.entries(corsHeaders(origin, false))) c.res.headers.set(name, value);
  });
}

function corsHeaders(origin: string | undefined, preflight: boolean): Record<string, string> {
  if (origin === undefined) return {};
  return {
    "Access-Control-Allow-Origin": origin,
    Vary: "Origin",
    ...(preflight
      ? {
          "Access-Control-Allow-Methods": METHODS,
          "Access-Control-Allow-Headers": HEADERS,
          "Access-Control-Max-Age": DAY_S,
        }
      : { "Access-Control-Expose-Headers": EXPOSED }),
  };
}

function hostOf(url: string): string | undefined {
  return URL.canParse(url) ? new URL(url).hostname : undefined;
}

function isThisMachine(host: string): boolean {
  return host === "localhost" || host.endsWith(".localhost") || host === "[::1]" || /^127(\.\d{1,3}){3}$/.test(host);
}
