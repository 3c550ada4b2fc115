/** What the journal's worker and the main thread say to each other. Plain data: errors do not survive the crossing. */

import { AgentruxError, type ErrorCode, errorText } from "../errors.ts";
import type { Retention } from "./retention.ts";
import type { JournalFinding } from "./set-aside.ts";
import type { Call } from "./store.ts";

export interface WorkerSettings {
  readonly path: string;
  readonly maxBytes?: number;
  readonly retention?: Retention;
}

export type ToWorker =
  | { readonly kind: "call"; readonly seq: number; readonly call: Call }
  | { readonly kind: "close" };

export interface PlainError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly retryable: boolean;
  readonly cause: string;
}

export type PlainOutcome =
  | { readonly seq: number; readonly value: unknown }
  | { readonly seq: number; readonly error: PlainError };

export type FromWorker =
  | { readonly kind: "ready" }
  | { readonly kind: "unusable"; readonly error: PlainError }
  | { readonly kind: "finding"; readonly finding: JournalFinding }
  | { readonly kind: "outcomes"; readonly outcomes: readonly PlainOutcome[] };

export function toPlain(error: AgentruxError): PlainError {
  return { code: error.code, message: error.message, retryable: error.retryable, cause: errorText(error.cause) };
}

export function fromPlain(error: PlainError): AgentruxError {
  return new AgentruxError(error.code, error.message, {
    retryable: error.retryable,
    cause: new Error(error.cause),
  });
}
