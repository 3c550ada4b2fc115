/** Owns asking a running gateway how the plugin's channel is doing. */

import { CHANNEL_ID } from "./host-config.ts";
import { openClaw, type OpenClawHome } from "./openclaw.ts";

/** What an operator is told of the channel's first account. */
export interface ChannelStatus {
  readonly lifecycle: string;
  readonly running: boolean;
  readonly connected: boolean;
  /** Empty when there is nothing to complain about. */
  readonly lastError: string;
  /** What the probe found, when one was asked for. */
  readonly probeError: string;
  /** The whole account, as JSON. */
  readonly json: string;
}

/** @throws when the gateway does not answer. */
export async function channelStatus(home: OpenClawHome, options: { readonly probe: boolean }): Promise<ChannelStatus> {
  const params = JSON.stringify({ probe: options.probe });
  const answer = await openClaw(home, ["gateway", "call", "channels.status", "--params", params, "--json"]);
  return readChannelStatus(answer);
}

/** Reads the JSON of `channels.status`, which is also that of `openclaw channels status --json`. */
export function readChannelStatus(json: string): ChannelStatus {
  const accounts = at(at(JSON.parse(json), "channelAccounts"), CHANNEL_ID);
  const account: unknown = Array.isArray(accounts) ? accounts[0] : undefined;
  return {
    lifecycle: textAt(account, "lifecycle"),
    running: at(account, "running") === true,
    connected: at(account, "connected") === true,
    lastError: textAt(account, "lastError"),
    probeError: textAt(at(account, "probe"), "error"),
    json: JSON.stringify(account) ?? "",
  };
}

function at(value: unknown, key: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined;
}

function textAt(value: unknown, key: string): string {
  const text = at(value, key);
  return typeof text === "string" ? text : "";
}
