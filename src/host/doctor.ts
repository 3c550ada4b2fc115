/**
 * What the host's `openclaw doctor` says about the channel: the checks of `openclaw agentrux doctor` that ask nobody over
 * the network and change nothing, because the host runs them before it knows whether it may.
 */

import type { ChannelPlugin } from "openclaw/plugin-sdk/channel-core";
import type { AccountConfig } from "../config/account.ts";
import { listAccountIds } from "../config/places.ts";
import { resolveAccountConfig } from "../config/resolve.ts";
import { accountPaths, baseDirectory } from "../credentials/home.ts";
import { CHANNEL_ID } from "../ids.ts";

type Doctor = NonNullable<ChannelPlugin<AccountConfig>["doctor"]>;

/** One line for each error and warning: what, where, and what to do. */
const collectPreviewWarnings: NonNullable<Doctor["collectPreviewWarnings"]> = async ({ cfg, env }) => {
  const { offlineFindings } = await import("../cli/doctor/doctor.ts");
  const base = baseDirectory(env);
  const accounts = listAccountIds(cfg).map((id) => ({
    account: resolveAccountConfig(cfg, id),
    paths: accountPaths(id, base),
    now: () => Date.now(),
  }));
  const findings = await offlineFindings(cfg, accounts);
  return findings
    .filter(({ severity }) => severity !== "info")
    .map(({ id, accountId, what, where, cure }) => {
      const about = accountId === undefined || accounts.length === 1 ? "" : `, account ${accountId}`;
      return `- ${CHANNEL_ID}${about}: ${what} ${where}. ${cure} [${id}]`;
    });
};

export const agentruxDoctor: Doctor = { collectPreviewWarnings };
