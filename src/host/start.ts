/** Starts an account under the host: gives the account room the host's log, status and turns. */

import type { ChannelGatewayContext } from "openclaw/plugin-sdk/channel-contract";
import manifest from "../../package.json" with { type: "json" };
import { runAccount } from "../account/account.ts";
import type { PresenceSource } from "../account/presence.ts";
import type { AccountState } from "../account/state.ts";
import type { AccountLog, RunningAccount } from "../account/types.ts";
import { TopicClaims } from "../account/topic-claims.ts";
import type { AccountConfig } from "../config/account.ts";
import { configFindings } from "../config/findings.ts";
import { knownAgentIds } from "../config/resolve.ts";
import type { Skip } from "../intake/start-position.ts";
import { activity, onActivityChange, showTurn } from "./agent-runs.ts";
import { liveConfig } from "./live-config.ts";
import { createMediaStore } from "./media.ts";
import { outgoingPolicy } from "./outgoing.ts";
import { register } from "./running.ts";
import { getRuntime } from "./runtime.ts";
import { statusPatch } from "./status.ts";
import { turnOwner } from "./owner.ts";
import { runTurn } from "./turn.ts";
import { nameWatchSessions } from "./watch-mandate.ts";

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

const claims = new TopicClaims();

/** One wish per account and process: a reload of the channel is no start, and skips nothing. */
const skips = new Map<string, Skip>();

function skipOf({ accountId, resumeFromLastSeq }: AccountConfig): Skip {
  const skip = skips.get(accountId) ?? { pending: !resumeFromLastSeq };
  skips.set(accountId, skip);
  return skip;
}

/** What is odd about the configuration and yet lets the account start. */
function sayFindings({ cfg, accountId }: Context, log: AccountLog): void {
  for (const finding of configFindings(cfg)) {
    if (finding.id === "config.problem" || (finding.accountId ?? accountId) !== accountId) continue;
    log.warn(`${finding.what}. To mend it: ${finding.cure}`);
  }
}

function presenceSource(): PresenceSource {
  const { version: hostVersion, config } = getRuntime();
  return {
    version: manifest.version,
    hostVersion,
    agents: () => knownAgentIds(config.current()).map((agentId) => ({ agentId, ...activity.of(agentId) })),
    onChange: onActivityChange,
  };
}

/** The account's lifetime: pending until the host aborts and everything accepted is settled (SDK spec, section 5.3). */
export async function startAccount(ctx: Context): Promise<void> {
  const { accountId, commandTopicId } = ctx.account;
  const log = hostLog(ctx);
  const setState = (state: AccountState) => ctx.setStatus({ ...ctx.getStatus(), ...statusPatch(state) });
  const onWait = (other: string) => {
    const reason = `standby: the account ${other} reads the same command topic`;
    log.error(reason);
    setState({ kind: "standby", reason });
  };
  sayFindings(ctx, log);
  // An account without a usable topic shares none.
  const claim = commandTopicId === "" ? accountId : commandTopicId;
  await claims.read(claim, accountId, { signal: ctx.abortSignal, onWait }, () => live(ctx, log, setState));
}

async function live(ctx: Context, log: AccountLog, setState: (state: AccountState) => void): Promise<void> {
  const account = ctx.account;
  const current = liveConfig(account, log);
  let forget = (): void => undefined;
  await runAccount({
    config: account,
    current,
    skip: skipOf(account),
    runner: {
      run: (request, signal) => showTurn(activity, account.agentId, request, () => runTurn(current(), request, signal)),
      owner: async (request) => turnOwner(account, request),
    },
    media: createMediaStore(),
    outgoing: outgoingPolicy(getRuntime(), account.agentId),
    presence: presenceSource(),
    log,
    setState,
    onActivity: (activity) => ctx.setStatus({ ...ctx.getStatus(), ...activity }),
    onRunning: (running: RunningAccount) => {
      forget();
      forget = register(account.accountId, running);
      nameWatchSessions(account, running.watches.list());
    },
    signal: ctx.abortSignal,
  }).finally(() => forget());
}
