/** Owns what is known of publishing as a whole: whether it fails, since when and why. */

import type { TroubleLog } from "../trouble-log.ts";
import type { Clock } from "./ports.ts";

export interface Publishing {
  /** A reply could not be published. */
  failed(line: string, reason: string): void;
  /** A reply was published, or there is none left to publish. */
  succeeded(): void;
  /** Why nothing has been published for a while; undefined when that is not so. */
  readonly fault: string | undefined;
  /** Sends that failed, ever. */
  readonly failures: number;
}

/** Shorter than this is a hiccup that concerns nobody. */
const LASTING_MS = 30_000;

export function createPublishing(clock: Clock, troubles: TroubleLog): Publishing {
  let failures = 0;
  let failing: { readonly since: number; reason: string } | undefined;
  return {
    failed(line, reason) {
      failures += 1;
      failing = { since: failing?.since ?? clock.monotonic(), reason };
      troubles.again("publish", line);
    },
    succeeded() {
      failing = undefined;
      troubles.over("publish", "[agentrux] Replies are being published again");
    },
    get failures() {
      return failures;
    },
    get fault() {
      if (failing === undefined || clock.monotonic() - failing.since < LASTING_MS) return undefined;
      return `replies cannot be published: ${failing.reason}`;
    },
  };
}
