/**
 * Owns which entities a filter deletes. Two things the stock server does silently are refused unless `confirm` says that they
 * are meant: several filters of which only the first counts, and an empty prefix, which is everything.
 */
import type { FluxDeleteFilter } from "agentrux-wire";
import { HubError } from "../errors.ts";
import type { Caller } from "./access.ts";
import { namespaceOf } from "./entity.ts";
import type { World } from "./world.ts";

export interface Deletion {
  readonly id: string;
  readonly principal: string | null;
}

/** @throws HubError INVALID, UNAUTHORIZED, FORBIDDEN, RATE_LIMITED */
export function deletionsOf(filter: FluxDeleteFilter, caller: Caller, world: World, max: number): Deletion[] {
  const { namespace, prefix, entity_ids: ids, confirm = false } = filter;
  const given = [namespace, prefix, ids].filter((one) => one !== undefined).length;
  if (given === 0) throw new HubError("INVALID", "data did not match any variant of untagged enum DeleteFilter");
  if (given > 1 && !confirm) {
    throw badFilter('Give one of namespace, prefix and entity_ids; with "confirm": true the first of them counts');
  }
  if (namespace === undefined && prefix === "" && !confirm) {
    throw badFilter('An empty prefix deletes every entity; add "confirm": true if that is meant');
  }
  const start = namespace === undefined ? prefix : `${namespace}/`;
  const matching =
    start === undefined ? [...new Set(ids)] : world.state.ids({ prefix: start, order: "asc", limit: max + 1 });
  if (matching.length > max) {
    const found = start === undefined ? String(matching.length) : `more than ${max}`;
    throw badFilter(`Batch too large: ${found} entities requested, max is ${max}`);
  }
  return matching.map((id) => ({ id, principal: deleterOf(id, caller, world) }));
}

/**
 * In whose name an entity is deleted; texts and statuses of flux-wire 1.6. Null where there are no namespaces.
 * @throws HubError UNAUTHORIZED, INVALID (400), FORBIDDEN, RATE_LIMITED
 */
export function deleterOf(id: string, caller: Caller, world: World): string | null {
  if (!world.access.auth) return null;
  if (caller.fault !== undefined) throw new HubError("UNAUTHORIZED", caller.fault);
  const namespace = namespaceOf(id);
  if (namespace === undefined) throw new HubError("UNAUTHORIZED", "Entity has no namespace");
  const refusal = world.access.writeRefusal(caller, id);
  if (refusal?.message.startsWith("Entity ID") === true) throw badFilter(refusal.message);
  if (refusal !== undefined) throw new HubError("FORBIDDEN", "Token does not own namespace");
  const limited = world.settings.takeWrite(namespace);
  if (limited !== undefined) throw limited;
  return namespace;
}

function badFilter(message: string): HubError {
  return new HubError("INVALID", message, { status: 400 });
}
