/** The outbox's way to the result topic, over the service client. */

import { isAgentruxError } from "../errors.ts";
import type { ServiceClient } from "../service/types.ts";
import type { OutgoingEvent } from "./compose.ts";

export interface ReplyChannel {
  /** Whether the server is known to recognise a repeated `Idempotency-Key`. */
  readonly recognisesRepeats: boolean;
  /** Resolves when the event is stored. Rejects with `AgentruxError`. */
  publish(event: OutgoingEvent, replyId: string, signal: AbortSignal): Promise<void>;
  /**
   * Whether a reply is on the result topic already. `unknown`: the topic cannot be read, or too much has been
   * published since to tell.
   */
  find(replyId: string, sinceWallTime: number, signal: AbortSignal): Promise<"found" | "absent" | "unknown">;
}

/** How many of the newest events are looked through. */
const LOOK_BACK_EVENTS = 100;
/** Clocks of server and plugin may differ by this. */
const CLOCK_SLACK_MS = 120_000;

function replyIdIn(payload: unknown): unknown {
  return typeof payload === "object" && payload !== null && "reply_id" in payload ? payload.reply_id : undefined;
}

export function createReplyChannel(client: ServiceClient, resultTopicId: string): ReplyChannel {
  return {
    get recognisesRepeats() {
      return client.generation === "b";
    },
    async publish(event, replyId, signal) {
      await client.publish({
        topicId: resultTopicId,
        type: event.type,
        payload: event.payload,
        ...(event.correlationId === undefined ? {} : { correlationId: event.correlationId }),
        idempotencyKey: replyId,
        signal,
      });
    },
    async find(replyId, sinceWallTime, signal) {
      try {
        const page = await client.pull({ topicId: resultTopicId, limit: LOOK_BACK_EVENTS, order: "desc", signal });
        if (page.events.some((event) => replyIdIn(event.payload) === replyId)) return "found";
        const full = page.events.length + page.malformed >= LOOK_BACK_EVENTS;
        const oldest = Math.min(...page.events.map((event) => Date.parse(event.storedAt ?? "")));
        const reachesBack = !full || oldest < sinceWallTime - CLOCK_SLACK_MS;
        return reachesBack ? "absent" : "unknown";
      } catch (error) {
        // A script may well be allowed to write results and not to read them.
        if (isAgentruxError(error, "forbidden") || isAgentruxError(error, "not_found")) return "unknown";
        throw error;
      }
    },
  };
}
