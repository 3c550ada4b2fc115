/** Sends a batch piece by piece and keeps account of every event: applied, failed, in doubt, or not sent. */

import type { FluxBatchResponse, FluxEventRequest } from "agentrux-wire";
import { AgentruxError, type ErrorCode, errorText, isAgentruxError } from "../../errors.ts";
import type { FluxClient } from "../../flux/client.ts";
import { batchFailureCode } from "../../flux/refusals.ts";
import { cleanLine } from "../../guard/text.ts";
import { redact } from "../../service/redact.ts";
import { outOfTime } from "./outgoing.ts";

export interface Applied {
  readonly index: number;
  readonly version?: number;
  /** False where the server says that it changed nothing. */
  readonly changed: boolean;
}

export interface Sent {
  readonly applied: readonly Applied[];
  readonly failed: readonly { readonly index: number; readonly code: ErrorCode; readonly message: string }[];
  /** Events of the piece whose answer did not come. */
  readonly unknown: readonly number[];
  readonly notSent: readonly number[];
  /** Why the rest was not sent. */
  readonly stopped?: AgentruxError;
}

type Results = FluxBatchResponse["results"];

/** Never throws for what became of the events, the end of the time included: what is known by then is worth telling. */
export async function sendBatch(
  client: Pick<FluxClient, "publishBatch">,
  cut: readonly (readonly FluxEventRequest[])[],
  signal: AbortSignal,
): Promise<Sent> {
  const applied: Applied[] = [];
  const failed: Sent["failed"][number][] = [];
  let unknown: readonly number[] = [];
  let stopped: AgentruxError | undefined;
  let next = 0;
  for (const piece of cut) {
    if (stopped !== undefined) break;
    const indexes = piece.map((_, offset) => next + offset);
    next += piece.length;
    try {
      const { results } = await client.publishBatch(piece, signal);
      for (const [offset, index] of indexes.entries()) settle(results[offset], index, applied, failed);
      // The pieces behind it would fail alike, and come before their turn when the limit ends meanwhile.
      if (failed.some(({ code }) => code === "rate_limited")) {
        stopped = new AgentruxError("rate_limited", "rate limit exceeded", { kind: "refused", retryable: true });
      }
    } catch (error) {
      if (!isAgentruxError(error)) throw error;
      stopped = outOfTime(error);
      if (stopped.kind === "unknown") unknown = indexes;
      else failed.push(...indexes.map((index) => ({ index, code: error.code, message: redact(errorText(error)) })));
    }
  }
  const total = cut.reduce((sum, piece) => sum + piece.length, 0);
  const notSent = Array.from({ length: total - next }, (_, offset) => next + offset);
  return { applied, failed, unknown, notSent, ...(stopped === undefined ? {} : { stopped }) };
}

function settle(
  result: Results[number] | undefined,
  index: number,
  applied: Applied[],
  failed: Sent["failed"][number][],
) {
  if (result === undefined) {
    failed.push({ index, code: "malformed_response", message: "the server's answer does not mention it" });
    return;
  }
  const { error, version, warning } = result;
  if (typeof error === "string") {
    failed.push({ index, code: batchFailureCode(error), message: cleanLine(redact(error), 200) });
  } else {
    applied.push({ index, ...(version === undefined ? {} : { version }), changed: warning === undefined });
  }
}
