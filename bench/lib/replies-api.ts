/** Owns what a benchmark can ask of the process that publishes replies. */

import path from "node:path";
import type { ServiceCredentials } from "../../src/service/types.ts";
import { Child } from "./ipc.ts";

export interface RepliesSetup {
  readonly directory: string;
  readonly credentials: ServiceCredentials;
  /** The result topic. */
  readonly topicId: string;
  readonly replies: number;
}

export interface RepliesApi {
  /** Opens a journal and puts the replies into it. */
  prepare(setup: RepliesSetup): Promise<void>;
  /** Milliseconds until all are published and acknowledged. */
  publishAll(): Promise<number>;
}

export function repliesChild(): Child<RepliesApi> {
  return new Child<RepliesApi>("the replying process", path.join(import.meta.dirname, "replies-child.ts"));
}
