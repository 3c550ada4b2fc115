/** Owns the base of the absolute URLs that answers carry. */
import type { HubDeps } from "../deps.ts";
import type { HubContext } from "./context.ts";

/** A host name or address with an optional port; nothing that could carry a path, a query or a user. */
const HOST_PATTERN = /^(?:[a-z0-9._-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::\d{1,5})?$/i;

/**
 * The configured public URL; else the name under which the caller itself has just reached the hub, because on a machine
 * with several names only that one is known to work for it; else the address the hub listens on.
 */
export function requestBase(c: HubContext, deps: Pick<HubDeps, "config" | "baseUrl">): string {
  if (deps.config.publicUrl !== undefined) return deps.config.publicUrl;
  const { host } = c.env.incoming.headers;
  return host !== undefined && HOST_PATTERN.test(host) ? `http://${host}` : deps.baseUrl();
}
