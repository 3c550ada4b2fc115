/**
 * Owns listing by pages on any server. A stock one ignores limit, order and cursor and sends everything in no order; there
 * the page is made here, and its cursor says where it ended. Cursors are opaque: in both kinds ids may stand that somebody
 * else wrote.
 */

import type { FluxEntity } from "agentrux-wire";
import { AgentruxError } from "../errors.ts";
import type { EntityQuery, FluxClient } from "./client.ts";

export interface Listing {
  readonly entities: readonly FluxEntity[];
  /** Where the next page begins; absent at the end. */
  readonly next?: string;
}

type Sort = NonNullable<EntityQuery["sort"]>;
type Position = { readonly server: string } | { readonly after: readonly [instant: string, id: string] };

/** @throws AgentruxError `invalid` for a cursor that is none of ours; as the client does */
export async function listPage(
  client: Pick<FluxClient, "list">,
  query: EntityQuery & { readonly limit: number },
  signal: AbortSignal,
): Promise<Listing> {
  const { cursor, limit, sort = "id", ...filter } = query;
  const from = cursor === undefined ? undefined : positionOf(cursor);
  const at = from !== undefined && "server" in from ? { cursor: from.server } : {};
  const { items, next } = await client.list({ ...filter, limit, sort, ...at }, signal);
  if (next !== undefined) return { entities: items, next: written({ server: next }) };
  const isPage = items.length <= limit && items.every(({ version }) => version !== undefined);
  if (isPage) return { entities: items };
  const after = from !== undefined && "after" in from ? from.after : undefined;
  return cutOut(items, sort, after, limit);
}

function cutOut(
  items: readonly FluxEntity[],
  sort: Sort,
  after: readonly [string, string] | undefined,
  limit: number,
): Listing {
  const turned = sort.startsWith("-") ? -1 : 1;
  const keyOf = (entity: FluxEntity): readonly [string, string] => [
    sort.endsWith("updated") ? instantKey(entity.lastUpdated) : "",
    entity.id,
  ];
  const compare = (one: readonly [string, string], other: readonly [string, string]): number =>
    turned * (inOrder(one[0], other[0]) || inOrder(one[1], other[1]));
  const ordered = items
    .map((entity) => ({ entity, key: keyOf(entity) }))
    .filter(({ key }) => after === undefined || compare(key, after) > 0)
    .toSorted((one, other) => compare(one.key, other.key));
  const last = ordered.length > limit ? ordered[limit - 1]?.key : undefined;
  return {
    entities: ordered.slice(0, limit).map(({ entity }) => entity),
    ...(last === undefined ? {} : { next: written({ after: last }) }),
  };
}

function inOrder(one: string, other: string): number {
  if (one === other) return 0;
  return one < other ? -1 : 1;
}

/** RFC 3339 in UTC with nine digits of fraction, so that text order is order in time. */
function instantKey(instant: string): string {
  const [, whole = "", fraction = ""] = /^([^.Z+]*)\.?(\d*)/.exec(instant) ?? [];
  return `${whole}.${fraction.padEnd(9, "0")}`;
}

function written(position: Position): string {
  return Buffer.from(JSON.stringify(position)).toString("base64url");
}

function positionOf(cursor: string): Position {
  try {
    const position = JSON.parse(Buffer.from(cursor, "base64url").toString("utf8")) as Partial<
      Record<"server" | "after", unknown>
    >;
    if (typeof position.server === "string") return { server: position.server };
    const { after } = position;
    if (Array.isArray(after) && typeof after[0] === "string" && typeof after[1] === "string") {
      return { after: [after[0], after[1]] };
    }
  } catch {
    // Said below.
  }
  throw new AgentruxError("invalid", "The cursor is not one of this listing");
}
