/** Starts an account under the host: gives the account room the host's log, status and turns. */

import type { ChannelGatewayContext } from "openclaw/plugin-sdk/channel-contract";
import { runAccount } from "../account/account.ts";
import type { AccountState } from "../account/state.ts";
import type { AccountLog, RunningAccount } from "../account/types.ts";
import type { AccountConfig } from "../config/account.ts";
import { createMediaStore } from "./media.ts";
import { register } from "./running.ts";
import { statusPatch } from "./status.ts";
import { turnOwner } from "./owner.ts";
import { runTurn } from "./turn.ts";

type Context = ChannelGatewayContext<AccountConfig>;

/** The host puts the channel's name before each line itself. */
function hostLog({ log }: Context): AccountLog {
  const plain = (line: string) => line.replace(/^\[agentrux\] /, "");
  return {
    debug: (line) => log?.debug?.(plain(line)),
    info: (line) => log?.info?.(plain(line)),
    warn: (line) => log?.warn?.(plain(line)),
    error: (line) => log?.error?.(plain(line)),
  };
}

/** The account's lifetime: pending until the host aborts and everything accepted is settled (SDK spec, section 5.3). */
export async function startAccount(ctx: Context): Promise<void> {
  const account = ctx.account;
  let forget = (): void => undefined;
  await runAccount({
    config: account,
    runner: {
      run: (request, signal) => runTurn(account, request, signal),
      owner: async (request) => turnOwner(account, request),
    },
    media: createMediaStore(),
    log: hostLog(ctx),
    setState: (state: AccountState) => ctx.setStatus({ ...ctx.getStatus(), ...statusPatch(state) }),
    onActivity: (activity) => ctx.setStatus({ ...ctx.getStatus(), ...activity }),
    onRunning: (running: RunningAccount) => {
      forget();
      forget = register(account.accountId, running);
    },
    signal: ctx.abortSignal,
  }).finally(() => forget());
}
