/**
 * Owns the BOOTSTRAP ritual: a one-time code in a file becomes credentials, exactly one call per claim.
 *
 *     BOOTSTRAP.md --claim (rename)--> in flight --+-- activated ----> credentials.json, file deleted
 *                                                 +-- refused (4xx) -> quarantined, code blotted out
 *                                                 +-- no valid code -> quarantined as it is
 *                                                 +-- credentials exist already -> quarantined as it is, no call
 *                                                 +-- anything else -> restored, error thrown: try again later
 *
 * Before the code is spent, the write of the credentials is proven to work. After it was spent, nothing throws: what
 * cannot be stored is handed back in memory. A process that dies while the file is in flight leaves it there; nobody
 * takes it up by itself, because two gateways could then send one code twice.
 */

import type { AccountPaths } from "../credentials/home.ts";
import { diskError } from "../credentials/private-files.ts";
import type { StoredCredentials } from "../credentials/schema.ts";
import { type CommitResult, loadCredentials, prepareSave } from "../credentials/store.ts";
import { AgentruxError, errorText, isAgentruxError } from "../errors.ts";
import { failpoint } from "../failpoint.ts";
import type { Grant, Redeemed } from "./answer.ts";
import { type Attempt, beginAttempt } from "./attempt.ts";
import { type Claim, claimBootstrap } from "./claim.ts";
import { type ActivationCode, decodeText, findCode } from "./code.ts";
import { quarantine, type Quarantined, type QuarantineReason } from "./quarantine.ts";
import { redeem, type RedeemCall } from "./redeem.ts";

export interface RitualOptions {
  readonly paths: AccountPaths;
  /** From configuration, without trailing slash; never from the file. */
  readonly baseUrl: string;
  readonly redeem: RedeemCall;
  readonly now: () => Date;
  readonly signal: AbortSignal;
}

/** How a ritual ended. `replacedOrphan`: an older in-flight file was overwritten by this claim. */
export type RitualOutcome =
  | { readonly kind: "no-file" }
  | (Claimed & {
      readonly kind: "ok";
      readonly credentials: StoredCredentials;
      readonly grants: readonly Grant[];
      readonly saved: CommitResult;
    })
  | (Claimed & {
      readonly kind: "permanent-failure";
      readonly httpStatus: number;
      readonly errorCode: string;
      readonly errorMessage: string;
      /** An earlier attempt with this code was never answered: the server may have accepted it then. */
      readonly possiblyConsumed: boolean;
      readonly quarantined: Quarantined;
    })
  | (Claimed & { readonly kind: "validation-failure"; readonly reason: string; readonly quarantined: Quarantined })
  | (Claimed & {
      readonly kind: "creds-already-present";
      readonly credentials: StoredCredentials;
      readonly quarantined: Quarantined;
    });

interface Claimed {
  readonly replacedOrphan: boolean;
}

/** How long a call that is under way when the gateway stops may still bring its answer. */
const STOP_GRACE_MS = 3_000;

/**
 * Runs the ritual once.
 *
 * @throws AgentruxError with `retryable` and, where the service gave them, `status` and `retryAfterMs`; the file is back
 * in its place then.
 */
export async function runRitual(options: RitualOptions): Promise<RitualOutcome> {
  const claim = await claimBootstrap(options.paths);
  if (claim === undefined) return { kind: "no-file" };
  try {
    return await consume(options, claim);
  } catch (error) {
    await putBack(claim, error);
    throw isAgentruxError(error) ? error : diskError("the activation ritual was interrupted", error);
  }
}

async function putBack(claim: Claim, reason: unknown): Promise<void> {
  try {
    await claim.restore();
  } catch (cause) {
    const message = `${errorText(reason)}; besides, the file could not be put back and stays at ${claim.path}`;
    throw new AgentruxError("disk", message, { retryable: true, cause });
  }
}

async function consume(options: RitualOptions, claim: Claim): Promise<RitualOutcome> {
  const { paths, now } = options;
  const { replacedOrphan } = claim;
  const setAside = (why: QuarantineReason) => quarantine(paths, claim, why, now);
  const existing = await loadCredentials(paths);
  if (existing.kind === "ok") {
    const quarantined = await setAside({ reason: "credentials.json already exists; refusing to consume" });
    return { kind: "creds-already-present", replacedOrphan, credentials: existing.credentials, quarantined };
  }
  const found = readCode(claim);
  if (found.kind === "invalid") {
    const quarantined = await setAside({ reason: found.sidecar });
    return { kind: "validation-failure", replacedOrphan, reason: found.reason, quarantined };
  }
  return await spend(options, claim, found);
}

async function spend(options: RitualOptions, claim: Claim, code: ActivationCode): Promise<RitualOutcome> {
  const { paths, now } = options;
  const save = await prepareSave(paths, now);
  try {
    const attempt = await beginAttempt(paths, code.code, now);
    const answer = await ask(options, code, attempt);
    failpoint("activation.redeemed");
    if (answer.kind === "refused") return await refuse(options, claim, code, answer, attempt);
    const saved = await save.commit(answer.credentials);
    await cleanUp(claim, attempt);
    const { credentials, grants } = answer;
    return { kind: "ok", replacedOrphan: claim.replacedOrphan, credentials, grants, saved };
  } finally {
    await save.discard().catch(() => {});
  }
}

async function ask(options: RitualOptions, code: ActivationCode, attempt: Attempt): Promise<Redeemed> {
  const grace = new Grace(options.signal, STOP_GRACE_MS);
  try {
    return await redeem(code, options.baseUrl, options.redeem, grace.signal);
  } catch (error) {
    if (isAgentruxError(error) && error.kind !== "unknown") await attempt.settle("untouched");
    throw error;
  } finally {
    grace.end();
  }
}

async function refuse(
  { paths, now }: RitualOptions,
  claim: Claim,
  { code }: ActivationCode,
  { httpStatus, errorCode, errorMessage, byService }: Redeemed & { kind: "refused" },
  attempt: Attempt,
): Promise<RitualOutcome> {
  const possiblyConsumed = attempt.hadUnanswered;
  const hint = possiblyConsumed ? " (possibly already consumed: an earlier attempt was not answered)" : "";
  const quarantined = await quarantine(
    paths,
    claim,
    {
      reason: `${httpStatus} ${errorCode}: ${errorMessage}${hint}`,
      httpStatus,
      errorCode,
      errorMessage,
      ...(byService && { spentCode: code }),
    },
    now,
  );
  await attempt.settle("finished").catch(() => {});
  const { replacedOrphan } = claim;
  return {
    kind: "permanent-failure",
    replacedOrphan,
    httpStatus,
    errorCode,
    errorMessage,
    possiblyConsumed,
    quarantined,
  };
}

/** The code is spent and its secret is in our hands: nothing that fails from here on may undo that. */
async function cleanUp(claim: Claim, attempt: Attempt): Promise<void> {
  await claim.remove().catch(() => {});
  await attempt.settle("finished").catch(() => {});
}

type ReadCode =
  | ({ readonly kind: "found" } & ActivationCode)
  | { readonly kind: "invalid"; readonly reason: string; readonly sidecar: string };

function readCode({ content }: Claim): ReadCode {
  if (content.kind === "unusable") {
    const reason = `BOOTSTRAP.md ${content.reason}`;
    return { kind: "invalid", reason, sidecar: reason };
  }
  const found = findCode(decodeText(content.bytes));
  switch (found.kind) {
    case "found":
      return found;
    case "malformed":
      return { kind: "invalid", reason: found.reason, sidecar: found.reason };
    case "none": {
      const sidecar = "no activation code line found";
      return { kind: "invalid", reason: `${sidecar} in BOOTSTRAP.md`, sidecar };
    }
  }
}

/**
 * A signal that follows another one some time later: cutting a call off after the code was sent would lose the secret
 * that is on its way.
 */
class Grace {
  readonly #controller = new AbortController();
  readonly #source: AbortSignal;
  readonly #graceMs: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(source: AbortSignal, graceMs: number) {
    this.#source = source;
    this.#graceMs = graceMs;
    if (source.aborted) this.#controller.abort(source.reason);
    else source.addEventListener("abort", this.#begin, { once: true });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  end(): void {
    this.#source.removeEventListener("abort", this.#begin);
    clearTimeout(this.#timer);
  }

  readonly #begin = (): void => {
    this.#timer = setTimeout(() => this.#controller.abort(this.#source.reason), this.#graceMs);
  };
}

/** Whether an error of {@link runRitual} is worth another ritual. */
export function isTransientActivation(error: unknown): error is AgentruxError {
  return isAgentruxError(error) && error.retryable;
}
