/**
 * Owns the short way to one entity. Reading one is what clients do most, and here it costs a look-up and a write on the
 * node response, without a request and an answer object in between. Whatever is out of the ordinary (a parameter, a web page,
 * private namespaces, an entity that is not there) goes the long way and means the same.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { HubDeps } from "../../deps.ts";
import { requestSeries } from "../../observe/requests.ts";
import { entityText } from "../entity.ts";
import { callCheck } from "./origin.ts";
import { entityTag } from "./requests.ts";

const START = "/api/state/entities/";

/** Answers a request if it is such a read; false when it is not, and nothing was done. */
export function directReader({ world, metrics, config }: Pick<HubDeps, "world" | "metrics" | "config">) {
  const refusalOf = callCheck(config);
  const { requests, latency } = requestSeries(metrics, "GET", `${START}:entity_id{[^]+}`, 200);
  return (incoming: IncomingMessage, outgoing: ServerResponse): boolean => {
    const { url = "", method, headers } = incoming;
    if (method !== "GET" || !url.startsWith(START) || url.includes("?") || headers.origin !== undefined) return false;
    if (refusalOf(headers) !== undefined || !world.access.readsAreOpen || !world.health().isRestored) return false;
    const startedAt = performance.now();
    const entity = world.state.live(decoded(url.slice(START.length)));
    if (entity === undefined) return false;
    const text = entityText(entity);
    outgoing.writeHead(200, {
      "Content-Type": "application/json",
      "Content-Length": Buffer.byteLength(text),
      ETag: entityTag(entity.version),
    });
    outgoing.end(text);
    requests.inc();
    latency.observe((performance.now() - startedAt) / 1000);
    return true;
  };
}

/** What cannot be decoded is no entity's id; the long way says so. */
function decoded(id: string): string {
  if (!id.includes("%")) return id;
  try {
    return decodeURIComponent(id);
  } catch {
    return "\ud800";
  }
}
