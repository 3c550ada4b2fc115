/** Which entities a prefix matches, before they are deleted: how many, and exactly which. */

import { AgentruxError } from "../../errors.ts";
import type { FluxClient } from "../../flux/client.ts";
import { listPage } from "../../flux/listing.ts";

/** Servers delete no more at once. */
const DELETE_MAX = 10_000;
/** Servers with pages make them smaller; the others send everything each time they are asked. */
const PAGE = DELETE_MAX + 1;

/**
 * How many match, and some of them. By a dry run where the server surely has one: a stock server does not know it, and
 * deletes; there they are listed and counted.
 *
 * @throws AgentruxError `invalid` where there are more than may be deleted at once
 */
export async function countMatching(
  client: FluxClient,
  prefix: string,
  sampled: number,
  signal: AbortSignal,
): Promise<{ readonly count: number; readonly sample: readonly string[] }> {
  const { entities, next } = await listPage(client, { prefix, limit: sampled }, signal);
  const sample = entities.map(({ id }) => id);
  if (next === undefined) return { count: sample.length, sample };
  if (!(await client.extended(signal))) return { count: (await idsMatching(client, prefix, signal)).length, sample };
  const { matched } = await client.deleteMany({ prefix, dry_run: true }, signal);
  if (matched === undefined) throw new AgentruxError("malformed_response", "The dry run did not say how many match");
  return { count: matched, sample };
}

/** @throws AgentruxError `invalid` where there are more than may be deleted at once */
export async function idsMatching(client: FluxClient, prefix: string, signal: AbortSignal): Promise<readonly string[]> {
  const ids: string[] = [];
  let cursor: string | undefined;
  do {
    const at = cursor === undefined ? {} : { cursor };
    const { entities, next } = await listPage(client, { prefix, limit: PAGE, ...at }, signal);
    // Whatever a server makes of the prefix, nothing else is deleted.
    ids.push(...entities.map(({ id }) => id).filter((id) => id.startsWith(prefix)));
    if (ids.length > DELETE_MAX) {
      throw new AgentruxError("invalid", `More than ${DELETE_MAX} entities begin so; delete by longer prefixes`);
    }
    cursor = next;
  } while (cursor !== undefined);
  return ids;
}
