/** Owns what a benchmark can ask of the process that takes over a backlog. */

import path from "node:path";
import type { ServiceCredentials } from "../../src/service/types.ts";
import { Child } from "./ipc.ts";

export interface DrainSetup {
  /** For the journal and the waterline. */
  readonly directory: string;
  readonly credentials: ServiceCredentials;
  readonly topicId: string;
}

export interface Drained {
  /** Commands in the journal at the end, as it counts them itself. */
  readonly received: number;
  /** When each page was on disk, milliseconds since the start, and how many events it held. */
  readonly pages: readonly { readonly ms: number; readonly events: number }[];
}

export interface DrainApi {
  /** Opens the journal and the rest, and rests. */
  prepare(setup: DrainSetup): Promise<void>;
  /** Takes over `expected` events from the topic's beginning. */
  drain(expected: number): Promise<Drained>;
}

export function drainChild(): Child<DrainApi> {
  return new Child<DrainApi>("the draining process", path.join(import.meta.dirname, "drain-child.ts"));
}
