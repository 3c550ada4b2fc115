/**
 * Owns how the world state is shown to a model: one line of JSON for each entity or event, all of them inside the host's
 * boundary, because others wrote them. JSON keeps a value from looking like a line of its own.
 */

import type { FluxEntity, FluxEvent } from "agentrux-wire";
import { jsonText } from "../../guard/json-text.ts";
import { cleanLine } from "../../guard/text.ts";
import type { ToolContext } from "../tool.ts";

/** What one result may take of the model's context, in characters. */
const PAGE_MAX_CHARS = 40_000;
const LINE_MIN_CHARS = 200;
const SENDER = "Flux world state";

/** What a program is told of an entity: nothing that others wrote but its id, cut and cleaned. */
export function entityFacts({ id, version, lastUpdated }: FluxEntity): Record<string, string | number> {
  return {
    id: cleanLine(id, 200),
    ...(version === undefined ? {} : { version }),
    updated: cleanLine(lastUpdated, 40),
  };
}

export function eventFacts({ eventId, timestamp, version }: FluxEvent): Record<string, string | number> {
  return { event_id: cleanLine(eventId, 80), timestamp, ...(version === undefined ? {} : { version }) };
}

/** `1 event`, `2 events`. */
export function counted(count: number, one: string, many: string): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** @param only The properties to show; by default all of them. */
export function showEntities(
  entities: readonly FluxEntity[],
  context: Pick<ToolContext, "quote">,
  only?: readonly string[],
): string {
  return shown(
    entities.map(({ id, version, lastUpdated, expiresAt, properties }) => ({
      id,
      version,
      updated: lastUpdated,
      expires: expiresAt,
      properties: only === undefined ? properties : picked(properties, only),
    })),
    context,
  );
}

/** @param events Of one entity. */
export function showEvents(events: readonly FluxEvent[], context: Pick<ToolContext, "quote">): string {
  return shown(
    events.map(({ eventId, stream, source, timestamp, storedAt, version, payload }) => ({
      event_id: eventId,
      stored: storedAt,
      timestamp: storedAt === undefined ? timestamp : undefined,
      source,
      stream,
      version,
      properties: propertiesOf(payload),
    })),
    context,
  );
}

/** Other text that holds what others wrote, such as the ids in a server's complaints. */
export function showLines(lines: readonly string[], context: Pick<ToolContext, "quote">): string {
  return context.quote(lines.join("\n"), SENDER);
}

function shown(documents: readonly object[], context: Pick<ToolContext, "quote">): string {
  const share = Math.max(LINE_MIN_CHARS, Math.floor(PAGE_MAX_CHARS / Math.max(1, documents.length)));
  return showLines(
    documents.map((document) => cut(jsonText(document), share)),
    context,
  );
}

function cut(text: string, maxChars: number): string {
  const rest = text.length - maxChars;
  return rest <= 0 ? text : `${text.slice(0, maxChars)}… [cut: ${rest} more characters]`;
}

function picked(properties: Readonly<Record<string, unknown>>, only: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(
    only.flatMap((name) => (Object.hasOwn(properties, name) ? [[name, properties[name]]] : [])),
  );
}

function propertiesOf(payload: unknown): unknown {
  return typeof payload === "object" && payload !== null && "properties" in payload ? payload.properties : payload;
}
