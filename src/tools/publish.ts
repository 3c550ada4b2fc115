/**
 * `agentrux_publish`: one event on a topic.
 *
 * What a topic turn publishes carries on the trace of the request it came from, one hop further, whatever the caller
 * wrote there: agents that set each other off through messaging topics come to rest like those that answer each other.
 */

import { randomUUID } from "node:crypto";
import { z } from "zod";
import { AgentruxError } from "../errors.ts";
import { defineTool, type ToolContext } from "./tool.ts";
import { resolveTopic, topicParameter } from "./topic-ref.ts";
import { isForTopicTurns } from "./topic-turn.ts";

type Payload = Readonly<Record<string, unknown>>;

/** Models now and then write the object as a string of JSON, or nothing but the text. */
function payloadOf(given: string | Payload): Payload {
  if (typeof given !== "string") return given;
  try {
    const value: unknown = JSON.parse(given);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Payload;
  } catch {
    // Not JSON, so it is the text itself.
  }
  return { text: given };
}

function replyTopicFor(context: ToolContext, reference: string | undefined): string | undefined {
  if (reference === undefined) return undefined;
  const { topicId } = resolveTopic(context.account, reference);
  if (context.turn && !isForTopicTurns(context.account, topicId)) {
    throw new AgentruxError(
      "not_allowed",
      "reply_topic must be a messaging topic during a turn that came from a topic",
    );
  }
  return topicId;
}

export const publishTool = defineTool({
  name: "agentrux_publish",
  label: "Publish to AgenTrux",
  description:
    "Publishes one event on an AgenTrux topic. Nobody's answer is waited for; use agentrux_send_message for that. The reply to a request that came from a topic is published by itself, do not publish it with this tool.",
  parameters: z.object({
    topic: topicParameter("Where to publish"),
    event_type: z.string().min(1).max(255).describe("What kind of event it is, for example build.finished."),
    payload: z
      .union([z.record(z.string(), z.unknown()), z.string()])
      .describe("The event's content: a JSON object. A plain text becomes {text}."),
    correlation_id: z.string().min(1).max(255).optional().describe("Ties the event to another one."),
    reply_topic: topicParameter("Where answers are wanted").optional(),
  }),
  aliases: { topic_id: "topic", type: "event_type" },
  topicTurn: { topic: "write" },
  async run(args, context, signal, progress) {
    const { topicId, label } = resolveTopic(context.account, args.topic);
    const replyTopic = replyTopicFor(context, args.reply_topic);
    const trace = await context.trace();
    const payload = payloadOf(args.payload);
    const client = await context.service();
    progress(`publishing to ${label}`);
    const { eventId } = await client.publish({
      topicId,
      type: args.event_type,
      payload: trace === undefined ? payload : { ...payload, trace },
      idempotencyKey: randomUUID(),
      ...(args.correlation_id === undefined ? {} : { correlationId: args.correlation_id }),
      ...(replyTopic === undefined ? {} : { replyTopic }),
      signal,
    });
    return {
      text: `Event published to "${label}" (event_id: ${eventId})`,
      details: { event_id: eventId, topic: label, topic_id: topicId },
    };
  },
});
