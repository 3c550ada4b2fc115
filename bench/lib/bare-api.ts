/** Owns what a benchmark can ask of the process that shows the floor. */

import path from "node:path";
import { Child } from "./ipc.ts";

export interface BareTarget {
  readonly url: string;
  readonly token: string;
  readonly topicId: string;
}

export interface BareApi {
  /** Follows a topic by hints; resolves when the stream is open. */
  listen(target: BareTarget): Promise<void>;
  /** From publish to the parsed event, milliseconds, since the last call. */
  takeLatencies(): Promise<number[]>;
  /** Pulls a topic from its beginning to its end, in pages of 1000. */
  pull(target: BareTarget): Promise<{ readonly count: number; readonly elapsedMs: number }>;
}

export function bareChild(): Child<BareApi> {
  return new Child<BareApi>("the bare loop", path.join(import.meta.dirname, "bare-child.ts"));
}
