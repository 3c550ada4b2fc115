/** The types of a request as route modules see it. */
import type { HttpBindings } from "@hono/node-server";
import type { Context, Hono } from "hono";

export type HubEnv = { Bindings: HttpBindings };
export type HubApp = Hono<HubEnv>;
export type HubContext = Context<HubEnv>;

/** The Bearer token of a request, absent when there is none. */
export function bearerToken(c: HubContext): string | undefined {
  const header = c.env.incoming.headers.authorization;
  if (header === undefined || header.length < 8 || header.slice(0, 7).toLowerCase() !== "bearer ") return undefined;
  const token = header.slice(7).trim();
  return token === "" ? undefined : token;
}
