/**
 * Runs one attempt at a command as an agent turn of the host, and says how it ended.
 *
 * The host gives no single answer to "what became of it", so the outcome is put together (SDK spec, 6.3 and 17.5):
 *   dispatch() rejected before a run began, for now     -> not started (refusal.ts says why)
 *   the caller aborted it (time limit, or a stop)        -> not started (aborted); the caller knows which
 *   the host will never begin it (passed-over.ts)        -> not started; the next attempt goes to another session
 *   dropped by the host's loop guard, or its sender may not send any more -> refused
 *   deferredToActiveRun                                 -> deferred: the reply comes through the outbound adapter
 *   no run began, nothing was delivered                 -> swallowed: the host has seen this attempt before
 *   the host's queue for the session is full             -> not started (capacity)
 *   an error payload, outcome "failed", or the host's words for an answer that is missing (notices.ts) -> failed
 *   text or media                                       -> replied, all blocks joined in order
 *   a run without a visible answer                      -> silent
 */

import { readAgentRunTerminalOutcome } from "openclaw/plugin-sdk/channel-inbound";
import type { OpenClawConfig, ReplyPayload } from "openclaw/plugin-sdk/core";
import type { AccountConfig } from "../config/account.ts";
import { errorText } from "../errors.ts";
import { failpoint } from "../failpoint.ts";
import { decideSender } from "../guard/senders.ts";
import { CHANNEL_ID } from "../ids.ts";
import type { TurnRequest, TurnResult } from "../replies/turn.ts";
import { isLoopRefusal, loopFacts } from "./loop-budget.ts";
import { missingAnswer } from "./notices.ts";
import { type PassedOver, watchPassedOver } from "./passed-over.ts";
import { isGivenUp, refusalReason } from "./refusal.ts";
import { getRuntime } from "./runtime.ts";
import { readSession } from "./session-record.ts";
import { currentSession, giveUp, type TurnSession } from "./session.ts";
import { buildTurnContext } from "./turn-context.ts";
import { mandateOf } from "./watch-mandate.ts";
import { nameWatchSession } from "./watch-runs.ts";

/** What a run has produced so far. */
class Answer {
  readonly texts: string[] = [];
  readonly media: string[] = [];
  error: string | undefined;
  isQueueFull = false;

  add(payload: ReplyPayload): void {
    if (payload.isReasoning || payload.isCommentary || payload.isCompactionNotice) return;
    if (payload.isFallbackNotice || payload.isStatusNotice) return;
    if (payload.isError) {
      this.error = payload.text ?? "the run failed";
      return;
    }
    const missing = missingAnswer(payload.text ?? "");
    if (missing !== undefined) {
      if (missing === "queue full") this.isQueueFull = true;
      else this.error = "the host found no answer to deliver";
      return;
    }
    if (payload.text?.trim()) this.texts.push(payload.text);
    for (const url of payload.mediaUrls ?? (payload.mediaUrl ? [payload.mediaUrl] : [])) {
      if (!this.media.includes(url)) this.media.push(url);
    }
  }
}

/** The next attempt goes to the session's successor. */
const NEXT_SESSION: TurnResult = { kind: "not-started", reason: "starting" };

/** Never rejects: a turn that could not be prepared has failed. */
export async function runTurn(account: AccountConfig, request: TurnRequest, signal: AbortSignal): Promise<TurnResult> {
  const { command } = request;
  // The list may be shorter than when the command was taken over. A watch has no sender: the operator let it in.
  const sender = command.watch === undefined ? decideSender(account.senders, command.producer) : "allowed";
  if (sender !== "allowed") return { kind: "refused", reason: sender };
  const mandate = command.watch === undefined ? undefined : mandateOf(account, command.watch);
  const runtime = getRuntime();
  const cfg = runtime.config.current() as OpenClawConfig;
  const answer = new Answer();
  let started = false;
  let deferred = false;
  let session: TurnSession | undefined;
  let passedOver: PassedOver | undefined;
  try {
    session = currentSession(account, command);
    const { sessionKey } = session;
    passedOver = watchPassedOver(() => readSession(account.agentId, sessionKey), request.timeoutMs);
    if (mandate?.isTrusted === true) nameWatchSession(session.sessionKey);
    const ctxPayload = await buildTurnContext(cfg, account, request, session, mandate);
    const turn = await runtime.channel.inbound.dispatch({
      cfg,
      channel: CHANNEL_ID,
      accountId: account.accountId,
      route: { agentId: account.agentId, sessionKey: session.sessionKey },
      ctxPayload,
      delivery: {
        deliver: (payload) => {
          failpoint("turn.delivering");
          answer.add(payload);
          return Promise.resolve({ messageIds: [`${request.address}#${answer.texts.length}`], visibleReplySent: true });
        },
        onError: () => undefined,
      },
      replyPipeline: {},
      botLoopProtection: loopFacts(cfg, account, request, session),
      replyOptions: {
        disableBlockStreaming: true,
        abortSignal: AbortSignal.any([signal, passedOver.signal]),
        // Ours decides, with a margin: the host's own limit answers with prose where we owe a status.
        timeoutOverrideMs: request.timeoutMs + 30_000,
        onAgentRunStart: () => {
          started = true;
          passedOver?.end();
        },
        turnAdoptionLifecycle: {
          admission: "exclusive",
          onAdopted: () => {
            failpoint("turn.adopted");
            started = true;
          },
          onDeferred: () => {
            deferred = true;
            return true;
          },
        },
      },
    });
    const hasAnswer = answer.texts.length > 0 || answer.media.length > 0;
    // What the host says of a turn that was broken off is no answer.
    if (passedOver.signal.aborted && !hasAnswer && giveUp(session)) return NEXT_SESSION;
    if (answer.isQueueFull) return { kind: "not-started", reason: "capacity" };
    if (answer.error !== undefined) return { kind: "failed", reason: answer.error };
    if (hasAnswer) {
      return { kind: "replied", text: answer.texts.join("\n\n"), media: answer.media };
    }
    if (signal.aborted) return { kind: "not-started", reason: "aborted" };
    if (isLoopRefusal(turn)) return { kind: "refused", reason: "loop_budget" };
    const result = turn.dispatched ? turn.dispatchResult : undefined;
    if (deferred || result?.deferredToActiveRun) return { kind: "deferred" };
    const outcome = result === undefined ? undefined : readAgentRunTerminalOutcome(result);
    if (outcome === "failed") return { kind: "failed", reason: "the run failed without a message" };
    if (outcome === "completed") return { kind: "silent" };
    return started ? { kind: "silent" } : { kind: "swallowed" };
  } catch (error) {
    const isLost = passedOver?.signal.aborted === true || isGivenUp(error);
    if (session !== undefined && isLost && giveUp(session)) return NEXT_SESSION;
    const refusal = started ? undefined : refusalReason(error);
    if (refusal !== undefined) return { kind: "not-started", reason: refusal };
    if (signal.aborted) return { kind: "not-started", reason: "aborted" };
    return { kind: "failed", reason: errorText(error) };
  } finally {
    passedOver?.end();
  }
}
