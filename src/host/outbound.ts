/**
 * What the host sends of its own accord. After a crash it finishes interrupted turns and answers here, at the address
 * the turn was given; such an answer is the command's reply (SDK spec, section 17.2). Nothing else may be sent this way:
 * a target that is no open command is refused, so that no message is reported as sent that nobody will read.
 */

import type { ChannelOutboundAdapter } from "openclaw/plugin-sdk/core";
import { PlatformMessageNotDispatchedError } from "openclaw/plugin-sdk/error-runtime";
import { DEFAULT_ACCOUNT_ID } from "../config/places.ts";
import { CHANNEL_ID } from "../ids.ts";
import { isHostNotice } from "./notices.ts";
import { find } from "./running.ts";

interface Outgoing {
  readonly to: string;
  readonly text: string;
  readonly media: readonly string[];
  readonly accountId: string | null | undefined;
}

/** `agentrux:cmd:x~1` and `cmd:x~1` are the same address. */
export function normalizeAddress(to: string): string {
  const trimmed = to.trim();
  return trimmed.startsWith(`${CHANNEL_ID}:`) ? trimmed.slice(CHANNEL_ID.length + 1) : trimmed;
}

async function send({ to, text, media, accountId }: Outgoing): Promise<{ channel: string; messageId: string }> {
  const address = normalizeAddress(to);
  if (!address.startsWith("cmd:")) {
    throw new Error(`agentrux: "${address.slice(0, 80)}" is not an open request; this channel sends replies only`);
  }
  if (isHostNotice(text)) return { channel: CHANNEL_ID, messageId: `${address}#notice` };
  const account = find(accountId ?? DEFAULT_ACCOUNT_ID);
  if (!account) {
    const name = accountId ?? DEFAULT_ACCOUNT_ID;
    throw new PlatformMessageNotDispatchedError(`agentrux: the account ${name} is not running`, { cause: undefined });
  }
  if ((await account.acceptHostReply(address, text, media)) === "failed") {
    throw new PlatformMessageNotDispatchedError("agentrux: the reply could not be written down", { cause: undefined });
  }
  return { channel: CHANNEL_ID, messageId: `${address}#host` };
}

export const outbound: ChannelOutboundAdapter = {
  deliveryMode: "gateway",
  // One reply is one send: a limit would make the host cut a long answer into several, of which only the first counts.
  textChunkLimit: 100_000_000,
  chunker: null,
  // A resumed turn that fails says so in the host's words; unanswered, the command gets another attempt.
  normalizePayload: ({ payload }) => (payload.isError === true ? null : payload),
  sendText: ({ to, text, accountId }) => send({ to, text, media: [], accountId }),
  sendMedia: ({ to, text, mediaUrl, accountId }) => send({ to, text, media: mediaUrl ? [mediaUrl] : [], accountId }),
};
