/**
 * What the account room reports, in the host's terms (SDK spec, sections 17.7 and 17.8). A waiting or troubled account
 * is "recovering" with `connected` unset, so that the health monitor leaves it alone; what only a person can mend is
 * "blocked". `lastTransportActivityAt` is never published: a quiet topic would be restarted for it.
 */

import type { ChannelAccountSnapshot } from "openclaw/plugin-sdk/channel-contract";
import { channelBlockedPatch, channelReadyPatch } from "openclaw/plugin-sdk/gateway-runtime";
import type { AccountState } from "../account/state.ts";

export function statusPatch(state: AccountState): Partial<ChannelAccountSnapshot> {
  switch (state.kind) {
    case "ready":
      return channelReadyPatch();
    case "blocked":
      return { ...channelBlockedPatch(state.reason), connected: false };
    case "starting":
      return { lifecycle: "starting", connected: undefined };
    case "recovering":
      return { lifecycle: "recovering", connected: undefined, lastError: state.reason };
    case "standby":
      return { lifecycle: "recovering", connected: undefined, lastError: state.reason, stateReason: "standby" };
  }
}
