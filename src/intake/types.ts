/** The seam between intake and delivery: a page of events is handed over, and is safe on disk when the promise resolves. */

import type { Cursor, TopicEvent } from "../service/types.ts";

export interface AdmittedPage {
  readonly topicId: string;
  readonly events: readonly TopicEvent[];
  /** The position after this page. The waterline moves here once `admit` has resolved. */
  readonly position: Cursor;
}

/**
 * Takes over a page. Resolves only when every event is on disk, so the waterline may move past it; may stay pending
 * while there is no room (back-pressure). Rejects when nothing was taken, for instance on a full disk.
 */
export type AdmitPage = (page: AdmittedPage, signal: AbortSignal) => Promise<void>;
