/** The event stream endpoint, A11 and B9: one long answer per listener, written by hand on the node response. */
import type { ServerResponse } from "node:http";
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import { authorizeTopic } from "../auth/access.ts";
import type { TopicCall } from "../auth/access.ts";
import type { HubDeps } from "../deps.ts";
import { HubError } from "../errors.ts";
import type { HubApp, HubContext } from "../http/context.ts";
import type { StreamListener } from "./fanout.ts";
import { resolvePosition } from "./position.ts";
import { flagParam, sequenceParam } from "./query.ts";
import { READY_B, resyncRequiredB, streamDialectA, streamDialectB } from "./stream-frames.ts";

export function registerStreamRoute(app: HubApp, deps: HubDeps): void {
  app.get("/topics/:topic_id/events/stream", async (c) => {
    const call = await authorizeTopic(c, deps, "read");
    if (deps.fanout.size >= deps.config.limits.maxStreams) {
      throw new HubError("UNAVAILABLE", "Too many event streams are open", { retryAfterS: 30 });
    }
    const excludeSelf = flagParam(c, "exclude_self");
    const resume = call.dialect === "a" ? resumeA(c) : undefined;
    // A client that left while its token was checked will not emit another "close" to remove a listener by.
    if (c.env.outgoing.destroyed) return RESPONSE_ALREADY_SENT;
    const response = open(c.env.outgoing);
    if (call.dialect === "b") response.write(READY_B);
    // Listening starts before the look back, so that no event falls between the two.
    const listener = deps.fanout.add({
      topicId: call.topic.id,
      scriptId: call.caller.scriptId,
      credentialId: call.caller.credentialId,
      excludeSelf,
      expiresAt: call.caller.claims.expiresAt,
      dialect: call.dialect === "a" ? streamDialectA : streamDialectB,
      sink: response,
    });
    response.once("close", () => listener.remove());
    const missed =
      resume === undefined
        ? catchUpB(c, deps, call, listener, excludeSelf)
        : lookBack(deps, call, listener, resume, excludeSelf);
    await missed.catch((error: unknown) => {
      deps.log.error({ err: error }, "stream could not look back");
      response.destroy();
    });
    return RESPONSE_ALREADY_SENT;
  });
}

function open(outgoing: HubContext["env"]["outgoing"]): ServerResponse {
  if (!("assignSocket" in outgoing)) throw new HubError("INTERNAL", "Event streams need HTTP/1.1");
  outgoing.writeHead(200, {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-cache, no-transform",
    "X-Accel-Buffering": "no",
  });
  outgoing.flushHeaders();
  return outgoing;
}

/** Generation A resumes after the query parameter or `Last-Event-ID`, whichever is further. */
function resumeA(c: HubContext): number {
  const query = sequenceParam(c, "after_sequence_no") ?? 0;
  const header = lastEventId(c);
  const fromHeader = header !== undefined && /^\d{1,15}$/.test(header) ? Number(header) : 0;
  return Math.max(query, fromHeader);
}

/** Generation B resumes after `Last-Event-ID` only. */
async function catchUpB(
  c: HubContext,
  deps: HubDeps,
  call: TopicCall,
  listener: StreamListener,
  excludeSelf: boolean,
): Promise<void> {
  const header = lastEventId(c);
  if (header === undefined) return;
  const position = await resolvePosition(deps.store.events, call.topic.id, header);
  if (position.kind === "at") return lookBack(deps, call, listener, position.seq, excludeSelf);
  listener.write(resyncRequiredB(position.kind === "expired" ? "retention_miss" : "replay_gap"));
}

/** A hint at once when newer events exist: released clients pull only when told to. */
async function lookBack(
  deps: HubDeps,
  call: TopicCall,
  listener: StreamListener,
  afterSeq: number,
  excludeSelf: boolean,
): Promise<void> {
  const exclude = excludeSelf ? call.caller.scriptId : undefined;
  const newest = await deps.store.events.newestAfter(call.topic.id, afterSeq, exclude);
  if (newest !== undefined) listener.hint(newest);
}

function lastEventId(c: HubContext): string | undefined {
  const header = c.env.incoming.headers["last-event-id"];
  return typeof header === "string" && header !== "" ? header : undefined;
}
