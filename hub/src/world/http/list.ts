/**
 * Owns listing entities (flux-wire 1.4). Without `limit` the whole listing is one array, as stock clients expect, written
 * in pieces as fast as the client takes them; with it a page, and a header with the position of the next one. Order is that
 * of ids, or with `sort=updated` that of change; `-` turns it round.
 */
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import { FLUX_CURSOR_HEADER } from "agentrux-wire";
import type { HubContext } from "../../http/context.ts";
import { drainedOrClosed } from "../../http/drained.ts";
import type { Caller } from "../access.ts";
import type { LiveEntity } from "../entity.ts";
import { entityText, entityTextWithMeta, isLive, namespaceOf } from "../entity.ts";
import type { World } from "../world.ts";
import { badRequest, callerOf, numberParameter, parameter } from "./requests.ts";

const PAGE_MAX = 1000;
/** Entities written at a time. */
const PIECE = 500;
/** Records looked at for a page in order of change, so that a rare prefix does not hold up everybody. */
const LOOK_MAX = 100_000;

interface Query {
  readonly prefix: string;
  /** Visible to this caller. */
  readonly isVisible: (id: string) => boolean;
  readonly text: (entity: LiveEntity) => string;
}

export async function listEntities(c: HubContext, world: World): Promise<Response> {
  const sort = parameter(c, "sort") ?? "id";
  if (!["id", "-id", "updated", "-updated"].includes(sort)) {
    throw badRequest("sort: must be one of id, -id, updated and -updated");
  }
  const limit = numberParameter(c, "limit", 1, PAGE_MAX);
  const prefix = prefixOf(parameter(c, "namespace"), parameter(c, "prefix") ?? "");
  if (prefix === undefined) return page([], undefined);
  const query: Query = {
    prefix,
    isVisible: visibility(callerOf(c, world), world),
    text: parameter(c, "meta") === "true" ? entityTextWithMeta : entityText,
  };
  const cursor = parameter(c, "cursor");
  if (sort.endsWith("updated")) return byChange(world, query, sort === "-updated", cursor, limit ?? PAGE_MAX);
  const order = sort === "id" ? "asc" : "desc";
  if (limit === undefined) return await everything(c, world, query, order);
  return byId(world, query, order, cursor, limit);
}

/** One prefix for both filters; undefined when nothing can match. */
function prefixOf(namespace: string | undefined, prefix: string): string | undefined {
  if (namespace === undefined) return prefix;
  if (namespace.includes("/")) return undefined;
  const start = `${namespace}/`;
  if (prefix.startsWith(start)) return prefix;
  return start.startsWith(prefix) ? start : undefined;
}

function visibility(caller: Caller, { access }: World): (id: string) => boolean {
  if (access.readsAreOpen) return () => true;
  return (id) => access.mayRead(caller, namespaceOf(id));
}

function byId(
  { state }: World,
  { prefix, isVisible, text }: Query,
  order: "asc" | "desc",
  cursor: string | undefined,
  limit: number,
): Response {
  const found: LiveEntity[] = [];
  let after = cursor;
  for (;;) {
    const ids = state.ids({ prefix, order, limit: limit + 1, ...(after === undefined ? {} : { after }) });
    for (const id of ids) {
      const entity = state.live(id);
      if (entity === undefined || !isVisible(id)) continue;
      if (found.length === limit) return page(found.map(text), found.at(-1)?.id);
      found.push(entity);
    }
    if (ids.length <= limit) return page(found.map(text), undefined);
    after = ids.at(-1);
  }
}

function byChange(
  { state }: World,
  { prefix, isVisible, text }: Query,
  newestFirst: boolean,
  cursor: string | undefined,
  limit: number,
): Response {
  const from = cursor === undefined ? undefined : Number(cursor);
  if (Number.isNaN(from)) throw badRequest("cursor: not one of this listing");
  const found: LiveEntity[] = [];
  let looked = 0;
  let at = newestFirst ? state.newestLive : state.oldestLive;
  for (; at !== undefined; at = newestFirst ? at.older : at.newer) {
    if (from !== undefined && (newestFirst ? at.version >= from : at.version <= from)) continue;
    if (found.length === limit || (looked += 1) > LOOK_MAX) break;
    if (isLive(at) && at.id.startsWith(prefix) && isVisible(at.id)) found.push(at);
  }
  const last = newestFirst ? at?.newer : at?.older;
  return page(found.map(text), last === undefined ? undefined : String(last.version));
}

function page(texts: readonly string[], next: string | undefined): Response {
  const headers = { "Content-Type": "application/json" };
  const cursor = next === undefined ? {} : { [FLUX_CURSOR_HEADER]: encodeURIComponent(next) };
  return new Response(`[${texts.join(",")}]`, { headers: { ...headers, ...cursor } });
}

async function everything(c: HubContext, { state }: World, query: Query, order: "asc" | "desc"): Promise<Response> {
  const { prefix, isVisible, text } = query;
  const read = (after: string | undefined): { ids: string[]; texts: string } => {
    const ids = state.ids({ prefix, order, limit: PIECE, ...(after === undefined ? {} : { after }) });
    const entities = ids.flatMap((id) => (isVisible(id) ? (state.live(id) ?? []) : []));
    return { ids, texts: entities.map(text).join(",") };
  };
  let { ids, texts } = read(undefined);
  if (ids.length < PIECE) return page(texts === "" ? [] : [texts], undefined);
  const { outgoing } = c.env;
  const { origin } = c.env.incoming.headers;
  outgoing.writeHead(200, {
    "Content-Type": "application/json",
    ...(origin === undefined ? {} : { "Access-Control-Allow-Origin": origin }),
  });
  let separator = "[";
  for (;;) {
    const piece = texts === "" ? "" : separator + texts;
    if (piece !== "") separator = ",";
    if (!outgoing.write(piece) && !outgoing.destroyed) {
      await drainedOrClosed(outgoing);
    }
    if (outgoing.destroyed || ids.length < PIECE) break;
    ({ ids, texts } = read(ids.at(-1)));
  }
  outgoing.end(separator === "[" ? "[]" : "]");
  return RESPONSE_ALREADY_SENT;
}
