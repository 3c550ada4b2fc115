/** Owns publishing and history: `/api/events` and `/api/events/batch` (flux-wire 1.1 to 1.3). */
import { FLUX_CURSOR_HEADER, FLUX_HISTORY_MAX } from "agentrux-wire";
import type { HubDeps } from "../../deps.ts";
import { HubError, isHubError } from "../../errors.ts";
import type { HubApp } from "../../http/context.ts";
import { elementTexts, memberTexts } from "../../json-text.ts";
import type { WorldLogEntry } from "../../store/world-port.ts";
import type { Caller } from "../access.ts";
import { namespaceOf } from "../entity.ts";
import { faultOf, readEvent, subjectOf } from "../event.ts";
import type { GivenEvent } from "../event.ts";
import { isoMicros } from "../instants.ts";
import type { World } from "../world.ts";
import type { Write, WriteResult } from "../writer.ts";
import {
  badRequest,
  callerOf,
  demandedVersion,
  entityTag,
  numberParameter,
  parameter,
  readBody,
  writerOf,
} from "./requests.ts";

const HISTORY_DEFAULT = 100;
const HISTORY_WINDOW_MS = 24 * 3_600_000;
const RFC3339 = /^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$/;

export function registerWorldEventRoutes(app: HubApp, { world, store, clock }: HubDeps): void {
  app.post("/api/events", async (c) => {
    const caller = writerOf(c, world);
    const { text } = await readBody(c, world.settings.values.body_size_limit_single_bytes);
    const given = readEvent(text);
    const event = { ...given, expectedVersion: demandedVersion(c) ?? given.expectedVersion };
    const fault = faultOf(event);
    if (fault !== undefined) throw badRequest(fault);
    const write = admitted(event, caller, world);
    if (write instanceof HubError) throw write;
    const { eventId, seq, warning } = await world.writer.write(write);
    const answer = { eventId, stream: event.stream, ...(warning === undefined ? {} : { warning }) };
    return json(JSON.stringify(answer), warning === undefined ? { ETag: entityTag(seq) } : {});
  });

  app.post("/api/events/batch", async (c) => {
    const caller = writerOf(c, world);
    const { text, value } = await readBody(c, world.settings.values.body_size_limit_batch_bytes);
    const events = eventsOf(text, value).map((eventText) => readEvent(eventText));
    const verdicts = events.map((event) => verdictOf(event, caller, world));
    const writes = verdicts.filter((verdict) => "write" in verdict).map(({ write }) => write);
    const written = await world.writer.submit(writes);
    let next = 0;
    const results = verdicts.map((verdict, index) => {
      const stream = events[index]?.stream ?? "";
      return "write" in verdict ? resultOf(stream, written[next++]) : { ...verdict.refusal, stream };
    });
    const successful = results.filter(({ error }) => error === null).length;
    return json(JSON.stringify({ successful, failed: results.length - successful, results }));
  });

  app.get("/api/events", async (c) => {
    const entity = parameter(c, "entity");
    if (entity === undefined || entity === "") throw badRequest("entity parameter is required");
    const limit = numberParameter(c, "limit", 1, FLUX_HISTORY_MAX) ?? HISTORY_DEFAULT;
    const from = numberParameter(c, "cursor", 0, Number.MAX_SAFE_INTEGER);
    const since = sinceOf(parameter(c, "since"));
    const sinceAt = Math.floor((since ?? clock.now() - HISTORY_WINDOW_MS) / 1000) * 1_000_000;
    const isVisible = world.access.mayRead(callerOf(c, world), namespaceOf(entity));
    const start = from ?? world.state.record(entity)?.newest ?? 0;
    const chain = isVisible ? await store.world.log.chain(start, sinceAt, limit) : [];
    // A cursor is a place in the log, and may name a place in another entity's history.
    const entries = chain.filter((entry) => entry.entityId === entity);
    const last = entries.at(-1);
    const more =
      entries.length === limit && last !== undefined && last.previous > 0 ? String(last.previous) : undefined;
    const texts = entries.map((entry) => historyText(entry, parameter(c, "meta") === "true"));
    return json(`[${texts.join(",")}]`, more === undefined ? {} : { [FLUX_CURSOR_HEADER]: more });
  });
}

/** The write an event comes to, or why its publisher may not make it. */
function admitted(event: GivenEvent, caller: Caller, world: World): Write | HubError {
  const { entityId } = subjectOf(event.payload);
  const refusal = world.access.writeRefusal(caller, entityId);
  if (refusal !== undefined) return refusal;
  if (!world.access.auth) return { event, principal: null };
  const namespace = namespaceOf(entityId ?? "") ?? "";
  return world.settings.takeWrite(namespace) ?? { event, principal: namespace };
}

interface EventResult {
  readonly eventId: string | null;
  readonly error: string | null;
  readonly warning?: string;
  readonly version?: number;
}

type Verdict = { readonly write: Write } | { readonly refusal: EventResult };

function verdictOf(event: GivenEvent, caller: Caller, world: World): Verdict {
  const fault = faultOf(event);
  if (fault !== undefined) return { refusal: { eventId: null, error: `validation failed: ${fault}` } };
  const write = admitted(event, caller, world);
  if (!(write instanceof HubError)) return { write };
  const error = write.code === "RATE_LIMITED" ? write.message : `authorization failed: ${authWords(write)}`;
  return { refusal: { eventId: event.eventId ?? null, error } };
}

/** The stock server names the kind of refusal before its text. */
function authWords({ code, message }: HubError): string {
  if (code === "FORBIDDEN") return `Forbidden: ${message}`;
  return message.startsWith("Namespace ") ? `Namespace not found: ${message}` : `Invalid entity ID: ${message}`;
}

function resultOf(stream: string, result: WriteResult | undefined): EventResult & { readonly stream: string } {
  if (result === undefined) return { eventId: null, stream, error: "publish failed" };
  if (isHubError(result)) return { eventId: null, stream, error: `publish failed: ${result.message}` };
  const { eventId, seq, warning } = result;
  return { eventId, stream, error: null, ...(warning === undefined ? { version: seq } : { warning }) };
}

function eventsOf(text: string, value: unknown): string[] {
  if (typeof value !== "object" || value === null || !("events" in value)) throw badRequest("missing field `events`");
  if (!Array.isArray(value.events)) throw badRequest("events: must be a list of events");
  if (value.events.length === 0) throw badRequest("Batch request must contain at least one event");
  return elementTexts(memberTexts(text).get("events") ?? "[]");
}

function sinceOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const time = RFC3339.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(time)) throw badRequest("invalid `since` timestamp (expected ISO 8601)");
  return time;
}

function historyText(entry: WorldLogEntry, withMeta: boolean): string {
  const head = { eventId: entry.eventId, stream: entry.stream, source: entry.source, timestamp: entry.timestamp };
  const optional = {
    ...(entry.key === null ? {} : { key: entry.key }),
    ...(entry.schema === null ? {} : { schema: entry.schema }),
  };
  const meta = withMeta
    ? {
        version: entry.seq,
        storedAt: `${isoMicros(entry.at)}+00:00`,
        principal: entry.principal,
        ...(entry.extras === null ? {} : { extras: JSON.parse(entry.extras) as unknown }),
      }
    : {};
  return `${JSON.stringify({ ...head, ...optional, ...meta }).slice(0, -1)},"payload":${entry.payload}}`;
}

function json(body: string, headers: Record<string, string> = {}): Response {
  return new Response(body, { headers: { "Content-Type": "application/json", ...headers } });
}
