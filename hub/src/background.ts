/** What a running hub does besides answering requests: stream housekeeping and retention. */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { HubDeps } from "./deps.ts";
import { mayNow } from "./auth/grants.ts";

const SWEEP_ROWS = 500;
const MAX_TICK_MS = 1000;

export interface Background {
  stop(): Promise<void>;
}

export function startBackground(deps: HubDeps): Background {
  const { store, fanout, config, clock, log } = deps;
  const stopCommits = store.events.onCommit((notice) => fanout.publish(notice));
  const stopAccess = store.scripts.onAccessChange((scriptId) => {
    endForbiddenStreams(deps, scriptId).catch((error: unknown) => log.error({ err: error }, "stream check failed"));
  });
  const tick = setInterval(() => fanout.tick(), Math.max(5, Math.min(MAX_TICK_MS, config.streamKeepAliveMs / 10)));
  const stopping = new AbortController();
  let sweeping: Promise<void> = Promise.resolve();
  const sweep = async () => {
    while (!stopping.signal.aborted && (await store.events.sweep(clock.now(), SWEEP_ROWS)) >= SWEEP_ROWS)
      await nextTurn();
  };
  const sweepTimer = setInterval(() => {
    sweeping = sweeping.then(sweep).catch((error: unknown) => log.error({ err: error }, "retention sweep failed"));
  }, config.retentionSweepMs);
  return {
    async stop() {
      stopping.abort();
      clearInterval(tick);
      clearInterval(sweepTimer);
      stopCommits();
      stopAccess();
      await sweeping;
    },
  };
}

async function endForbiddenStreams(deps: HubDeps, scriptId: string): Promise<void> {
  const access = await deps.store.scripts.access(scriptId);
  deps.fanout.endWhere(
    scriptId,
    ({ topicId, credentialId }) => mayNow(access, topicId, "read") && access?.credentials.has(credentialId) === true,
  );
}
