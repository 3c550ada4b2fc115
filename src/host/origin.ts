/**
 * Owns the question whether an agent run came from a topic, as far as the host tells. Each sign alone is enough: where
 * the host leaves one out, the other still stands, and a person who writes into a topic's session works with what
 * strangers wrote there.
 */

import { CHANNEL_ID } from "../ids.ts";

/** Signs of a run's origin, as tools and hooks get them. */
export interface RunOrigin {
  /** The channel of whoever asked, or of the route the run answers to. */
  readonly channels: readonly (string | undefined)[];
  readonly sessionKey?: string | undefined;
}

export function isTopicRun({ channels, sessionKey }: RunOrigin): boolean {
  return channels.includes(CHANNEL_ID) || sessionKey?.includes(`:${CHANNEL_ID}:`) === true;
}
