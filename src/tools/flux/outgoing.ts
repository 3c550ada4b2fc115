/**
 * Owns what goes out to the world state: events made of what the model said, and the two looks before they leave. The world
 * is open for reading, also by people who will never be known, so nothing secret may be published; and a server without this
 * project's additions ignores them silently, so they are not sent to one.
 */

import type { FluxEventRequest } from "agentrux-wire";
import { loadCredentials } from "../../credentials/store.ts";
import { AgentruxError } from "../../errors.ts";
import type { FluxClient } from "../../flux/client.ts";
import { eventTime } from "../../flux/event-id.ts";
import { findSecret } from "../../guard/secrets.ts";
import type { ToolContext } from "../tool.ts";
import { propertiesOf } from "./parameters.ts";

/** An event as a model says it. */
export interface SaidEvent {
  readonly entity: string;
  readonly properties: string | Readonly<Record<string, unknown>>;
  readonly remove?: readonly string[] | undefined;
  readonly ttl_seconds?: number | undefined;
  readonly expected_version?: number | undefined;
  readonly stream?: string | undefined;
  readonly source?: string | undefined;
}

const DEFAULT_STREAM = "agents";

/** @throws AgentruxError `invalid` */
export function eventOf(said: SaidEvent, eventId: string, madeAt: number, { account }: ToolContext): FluxEventRequest {
  const properties = propertiesOf(said.properties);
  const { remove = [], ttl_seconds: ttl, expected_version: expected } = said;
  if (Object.keys(properties).length === 0 && remove.length === 0 && ttl === undefined) {
    throw new AgentruxError("invalid", "an event without properties changes nothing");
  }
  return {
    eventId,
    stream: said.stream ?? DEFAULT_STREAM,
    source: said.source ?? (account.agentId || account.accountId),
    timestamp: madeAt,
    payload: { entity_id: said.entity, properties },
    ...(remove.length === 0 ? {} : { remove: [...remove] }),
    ...(ttl === undefined ? {} : { ttlSeconds: ttl }),
    ...(expected === undefined ? {} : { expectedVersion: expected }),
  };
}

/**
 * When an id given for a repetition was made.
 *
 * @throws AgentruxError `invalid` for an id that no earlier call can have named
 */
export function timeOfRepeated(id: string): number {
  const time = eventTime(id);
  if (time === undefined) throw new AgentruxError("invalid", "that is not an id which an earlier call has named");
  return time;
}

/** A call that was cut off came to the end of its time; whoever ended it otherwise no longer reads what it says. */
export function outOfTime(error: AgentruxError): AgentruxError {
  if (error.code !== "aborted") return error;
  return new AgentruxError("timeout", "took too long", { kind: error.kind, retryable: true, cause: error });
}

/**
 * To be called before anything is sent.
 *
 * @throws AgentruxError `not_allowed` for a secret, naming where it stands; `invalid` for what the server does not know; as
 * the client does
 */
export async function requirePublishable(
  events: readonly FluxEventRequest[],
  client: FluxClient,
  context: ToolContext,
  signal: AbortSignal,
): Promise<void> {
  const found = findSecret(
    events.map(({ source, remove, payload: { entity_id: entity, properties } }) => ({
      entity,
      source,
      remove,
      properties,
    })),
    await knownSecrets(client, context),
  );
  if (found !== undefined) {
    const where = events.length === 1 ? found.path.replace("[0].", "") : `event ${found.path}`;
    throw new AgentruxError(
      "not_allowed",
      `Nothing was published: ${where} looks like ${found.kind}, and others can read the world state`,
    );
  }
  const special = additionsIn(events);
  if (special.length > 0 && !(await client.extended(signal))) {
    throw new AgentruxError(
      "invalid",
      `Nothing was published: this server does not know ${special.join(", ")} and would ignore it; leave it out`,
    );
  }
}

function additionsIn(events: readonly FluxEventRequest[]): readonly string[] {
  const names = { remove: "remove", ttlSeconds: "ttl_seconds", expectedVersion: "expected_version" } as const;
  return (["remove", "ttlSeconds", "expectedVersion"] as const)
    .filter((field) => events.some((event) => event[field] !== undefined))
    .map((field) => names[field]);
}

async function knownSecrets({ server }: FluxClient, { account, paths }: ToolContext): Promise<readonly string[]> {
  const loaded = await loadCredentials(paths);
  const all = [
    server.token,
    server.adminToken,
    account.flux.token,
    account.flux.adminToken,
    loaded.kind === "ok" ? loaded.credentials.clientSecret : undefined,
  ];
  return all.filter((secret) => secret !== undefined);
}
