/** Owns what an access request asks for: the scope words of B4, or the topology of B5, read strictly. */
import type { TopologyEntry } from "agentrux-wire";
import { TOPOLOGY_MAX_BYTES, deviceScopeWordSchema, topologyEntrySchema } from "agentrux-wire";
import { z } from "zod";
import { HubError } from "../../errors.ts";
import { checked } from "../../http/body.ts";
import type { Action } from "../../store/port.ts";

const wantedSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("device"), actions: z.array(z.enum(["read", "write"])) }),
  z.object({ kind: z.literal("topology"), entry: topologyEntrySchema }),
]);
export type Wanted = z.infer<typeof wantedSchema>;

/** What the store kept of a request. */
export function wantedFromJson(json: string): Wanted {
  return wantedSchema.parse(JSON.parse(json));
}

/**
 * The scope of B4. The hub knows scripts and no people, so `openid`, `email` and `profile` are accepted and granted
 * nothing, as RFC 6749 section 3.3 allows.
 * @throws HubError INVALID_SCOPE for another word, a word given twice, or when nothing is left to grant
 */
export function wantedScope(scope: string): Extract<Wanted, { kind: "device" }> {
  const words = scope.split(" ");
  for (const word of words) {
    if (!deviceScopeWordSchema.safeParse(word).success) throw new HubError("INVALID_SCOPE", "scope: unknown word");
  }
  if (new Set(words).size !== words.length) throw new HubError("INVALID_SCOPE", "scope: a word is given twice");
  const actions = (["read", "write"] satisfies Action[]).filter((action) => words.includes(`topic.${action}`));
  if (actions.length === 0) throw new HubError("INVALID_SCOPE", "scope: topic.read or topic.write is needed");
  return { kind: "device", actions };
}

/**
 * The `authorization_details` of B5.
 * @throws HubError INVALID_REQUEST naming the limit, UNSUPPORTED_AUTHORIZATION_DETAILS for another type or version
 */
export function wantedTopology(details: string): Extract<Wanted, { kind: "topology" }> {
  if (Buffer.byteLength(details) > TOPOLOGY_MAX_BYTES) {
    throw new HubError("INVALID_REQUEST", `authorization_details: may have ${TOPOLOGY_MAX_BYTES} bytes`);
  }
  const entry = onlyEntry(details);
  if (!("type" in entry && entry.type === "agentrux.topology" && "version" in entry && entry.version === 1)) {
    throw new HubError("UNSUPPORTED_AUTHORIZATION_DETAILS", "Only agentrux.topology, version 1, is known here");
  }
  return { kind: "topology", entry: asRequest<TopologyEntry>(() => checked(topologyEntrySchema, entry)) };
}

function onlyEntry(details: string): object {
  const list: unknown = asRequest(() => JSON.parse(details) as unknown);
  const entry: unknown = Array.isArray(list) && list.length === 1 ? list[0] : undefined;
  if (typeof entry === "object" && entry !== null && !Array.isArray(entry)) return entry;
  throw new HubError("INVALID_REQUEST", "authorization_details: must be a JSON list of one object");
}

/** OAuth calls everything that does not fit `invalid_request`, with status 400. */
function asRequest<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    const message = error instanceof HubError ? error.message : "authorization_details: must be JSON";
    throw new HubError("INVALID_REQUEST", message, { cause: error });
  }
}
