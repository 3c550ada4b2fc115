/**
 * `flux_batch`: many events in one call, in their order.
 *
 * They go out in pieces that a stock server takes, one after the other, and the first piece that did not wholly arrive is the
 * last: an answer says of each event whether it is applied, failed, in doubt, or was not sent. Ids and times are made from
 * the batch's own id, so that the same call with it can be repeated as a whole.
 */

import type { FluxEventRequest } from "agentrux-wire";
import { z } from "zod";
import { AgentruxError, type ErrorCode } from "../../errors.ts";
import { newEventId } from "../../flux/event-id.ts";
import { becomesVisible } from "../../flux/visible.ts";
import { cleanLine } from "../../guard/text.ts";
import { defineTool, type ToolResult } from "../tool.ts";
import { writeCure } from "./cure.ts";
import { eventOf, requirePublishable, timeOfRepeated } from "./outgoing.ts";
import { source, stream } from "./parameters.ts";
import { pieces } from "./pieces.ts";
import { eventParameters } from "./publish.ts";
import { type Applied, sendBatch, type Sent } from "./send-batch.ts";

const EVENTS_MAX = 5_000;
const TIMEOUT_MS = 180_000;
/** Failures told one by one; the rest are in `details`. */
const FAILURES_SHOWN = 20;

function report(sent: Sent, events: readonly FluxEventRequest[], batchId: string, visible: boolean): ToolResult {
  const { applied, failed, unknown, notSent } = sent;
  const total = events.length;
  const counts = [
    `${applied.length} of ${total} events are applied`,
    ...(failed.length === 0 ? [] : [`${failed.length} failed`]),
    ...(unknown.length === 0 ? [] : [`of ${unknown.length} it is not known`]),
    ...(notSent.length === 0 ? [] : [`${notSent.length} were not sent`]),
  ].join(", ");
  const isWhole = applied.length === total;
  const lines = [
    `${counts}.`,
    ...failed
      .slice(0, FAILURES_SHOWN)
      .map(({ index, code, message }) => `event ${index} (${nameOf(events[index])}): ${code}: ${message}`),
    ...(failed.length > FAILURES_SHOWN ? [`... and ${failed.length - FAILURES_SHOWN} more.`] : []),
    ...(unknown.length === 0 ? [] : [`Not known: ${range(unknown)}.`]),
    ...(notSent.length === 0 ? [] : [`Not sent: ${range(notSent)}.`]),
    ...(isWhole
      ? []
      : [`On an AgenTrux hub the same call with batch_id "${batchId}" sends the rest, and nothing twice.`]),
    ...(visible ? [] : ["The state does not show the last of them yet; flux_get a little later will."]),
  ];
  return {
    text: lines.join("\n"),
    details: {
      batch_id: batchId,
      total,
      applied: applied.length,
      failed: failed.map(({ index, code }) => ({ index, code })),
      unknown,
      not_sent: notSent,
      ...(applied.length === 0 ? {} : { visible }),
    },
    ...(isWhole ? {} : { error: errorOf(sent) }),
  };
}

function errorOf({ applied, failed, unknown, stopped }: Sent): AgentruxError {
  if (applied.length === 0 && stopped !== undefined) return stopped;
  const codes = new Set<ErrorCode>(failed.map(({ code }) => code));
  const [only] = codes;
  const code = applied.length > 0 || unknown.length > 0 || only === undefined || codes.size > 1 ? "partial" : only;
  const message = code === "partial" ? "not every event was applied" : "no event was applied";
  return new AgentruxError(code, message, {
    kind: unknown.length > 0 ? "unknown" : "refused",
    ...(stopped?.retryAfterMs === undefined ? {} : { retryAfterMs: stopped.retryAfterMs }),
    ...(stopped === undefined ? {} : { cause: stopped }),
  });
}

function nameOf(event: FluxEventRequest | undefined): string {
  return cleanLine(event?.payload.entity_id ?? "", 80);
}

function range(indexes: readonly number[]): string {
  const [first] = indexes;
  const last = indexes.at(-1);
  return first === last ? `event ${first}` : `events ${first} to ${last}`;
}

export const fluxBatchTool = defineTool({
  name: "flux_batch",
  label: "Publish many to the world state",
  description:
    "Publishes many observations to the shared world state (Flux) in one call, in their order. It is a failure when any of them failed; the result says which, counted from 0. Everybody may be able to read them: nothing secret.",
  parameters: z.strictObject({
    events: z
      .array(z.strictObject(eventParameters))
      .min(1)
      .max(EVENTS_MAX)
      .describe("The events, each as for flux_publish: {entity, properties, ...}."),
    stream: stream.optional().describe("For events that name none."),
    source: source.optional().describe("For events that name none."),
    batch_id: z
      .string()
      .max(64)
      .optional()
      .describe("Only to repeat a call that did not wholly succeed, with the same events: the batch_id it named."),
  }),
  topicTurn: { world: "write" },
  timeoutMs: () => TIMEOUT_MS,
  writes: ({ events }) => events.map(({ entity }) => ({ id: entity })),
  cure: writeCure,
  async run({ events: said, batch_id: repeated, ...common }, context, signal, progress) {
    const now = Date.now();
    const batchId = repeated ?? newEventId(now);
    const madeAt = repeated === undefined ? now : timeOfRepeated(repeated);
    const events = said.map((event, index) =>
      eventOf(
        { ...event, stream: event.stream ?? common.stream, source: event.source ?? common.source },
        `${batchId}-${index}`,
        madeAt,
        context,
      ),
    );
    const client = await context.world();
    await requirePublishable(events, client, context, signal);
    progress(`publishing ${events.length} events to the world state`);
    const sent = await sendBatch(client, pieces(events), signal);
    const last: Applied | undefined = sent.applied.at(-1);
    const event = last === undefined ? undefined : events[last.index];
    // In one total order: where the last is seen, all are.
    const visible =
      last === undefined || event === undefined || !last.changed
        ? true
        : await becomesVisible(client, wantedOf(event, last), signal);
    return report(sent, events, batchId, visible);
  },
});

function wantedOf({ payload }: FluxEventRequest, { version }: Applied) {
  const { entity_id: id, properties } = payload;
  return version === undefined ? { id, properties } : { id, version };
}
