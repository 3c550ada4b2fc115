/** Owns the one call that turns an activation code into credentials (wire spec A1 and B1). */

import { activateRequestASchema, redeemActivationRequestBSchema, type WireGeneration } from "agentrux-wire";
import { AgentruxError, errorText } from "../errors.ts";
import { createHttpClient } from "../service/http.ts";
import { redact } from "../service/redact.ts";
import { readAnswer, type RedeemAnswer, type Redeemed } from "./answer.ts";
import type { ActivationCode } from "./code.ts";

/**
 * Sends one POST and never repeats it. Rejects with an AgentruxError whose `kind` is `local` when nothing was sent.
 *
 * @param body JSON, holding the code.
 */
export type RedeemCall = (path: string, body: string, signal: AbortSignal) => Promise<RedeemAnswer>;

const CONNECT_TIMEOUT_MS = 10_000;
const TOTAL_TIMEOUT_MS = 30_000;
const ANSWER_MAX_BYTES = 64 * 1024;
const ENDPOINT: Readonly<Record<WireGeneration, string>> = {
  a: "/auth/activate",
  b: "/auth/redeem-activation-code",
};

/**
 * Redeems a code with exactly one call.
 *
 * @throws AgentruxError retryable: the code may work later. Its `kind` says whether it may have been consumed
 * (`unknown`) or surely was not (`refused`, `local`).
 */
export async function redeem(
  { generation, code }: ActivationCode,
  baseUrl: string,
  call: RedeemCall,
  signal: AbortSignal,
): Promise<Redeemed> {
  const path = ENDPOINT[generation];
  const request =
    generation === "a"
      ? activateRequestASchema.parse({ activation_code: code })
      : redeemActivationRequestBSchema.parse({ code });
  let answer: RedeemAnswer;
  try {
    answer = await call(path, JSON.stringify(request), signal);
  } catch (cause) {
    throw lost(path, code, cause);
  }
  return readAnswer({ generation, code, baseUrl, path }, answer);
}

/** A {@link RedeemCall} over HTTP, on a connection of its own. @throws AgentruxError `config` or `insecure_url` */
export function redeemOverHttp(baseUrl: string): RedeemCall {
  const open = () =>
    createHttpClient({
      baseUrl,
      maxBodyBytes: ANSWER_MAX_BYTES,
      timeouts: {
        connectMs: CONNECT_TIMEOUT_MS,
        headersMs: TOTAL_TIMEOUT_MS,
        bodyIdleMs: TOTAL_TIMEOUT_MS,
        totalMs: TOTAL_TIMEOUT_MS,
      },
    });
  return async (path, body, signal) => {
    const http = open();
    try {
      const headers = { "content-type": "application/json", accept: "application/json" };
      return await http.send({ method: "POST", path, headers, body, signal });
    } finally {
      await http.close();
    }
  };
}

function lost(path: string, code: string, cause: unknown): AgentruxError {
  const message = `network error during ${path}: ${redact(errorText(cause), [code])}`;
  if (!(cause instanceof AgentruxError)) {
    return new AgentruxError("network", message, { kind: "unknown", retryable: true, cause });
  }
  const { kind, status, retryAfterMs } = cause;
  const ours = cause.code === "config" || cause.code === "insecure_url";
  return new AgentruxError(cause.code, message, {
    kind,
    retryable: !ours,
    ...(status !== undefined && { status }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
    cause,
  });
}
