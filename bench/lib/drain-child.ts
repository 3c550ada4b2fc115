/**
 * A process that takes over a backlog as the plugin does, and does nothing with it afterwards: intake, reading of events
 * as commands, journal. An account stops taking over at ten thousand open commands; here nothing is dispatched, so
 * that the way onto the disk is what is measured.
 */

import path from "node:path";
import { setImmediate as letOthersRun } from "node:timers/promises";
import { preparePage } from "../../src/intake/admission.ts";
import { startIntake } from "../../src/intake/intake.ts";
import { Waterline } from "../../src/intake/waterline.ts";
import { waterlineFile } from "../../src/intake/waterline-file.ts";
import { openJournal } from "../../src/journal/journal.ts";
import type { Journal } from "../../src/journal/types.ts";
import { composeReply } from "../../src/replies/compose.ts";
import { createServiceClient } from "../../src/service/client.ts";
import { systemClock, systemSleep } from "../../src/service/clock.ts";
import type { ServiceClient } from "../../src/service/types.ts";
import { monotonicMs } from "./clock.ts";
import type { DrainApi } from "./drain-api.ts";
import { serve } from "./ipc.ts";

/** A backlog of a million commands of 1 KB does not fit in what the journal holds by default. */
const MAX_JOURNAL_BYTES = 8 * 1024 ** 3;
const POLL_INTERVAL_MS = 60_000;

interface Prepared {
  readonly topicId: string;
  readonly client: ServiceClient;
  readonly journal: Journal;
  readonly waterline: Waterline;
}

const complain = (line: string): void => void process.stderr.write(`${line}\n`);
const log = { info: () => undefined, warn: complain, error: complain };
let prepared: Prepared | undefined;

const api: DrainApi = {
  async prepare({ directory, credentials, topicId }) {
    const file = await openJournal({ directory, maxBytes: MAX_JOURNAL_BYTES });
    const client = createServiceClient(credentials);
    const waterline = await Waterline.open({
      store: waterlineFile(path.join(directory, "waterline.json"), () => new Date()),
      generation: client.generation,
      onProblem: (error) => complain(error.message),
    });
    prepared = { topicId, client, journal: file.account("default"), waterline };
  },

  async drain(expected) {
    if (prepared === undefined) throw new Error("nothing is prepared");
    const { topicId, client, journal, waterline } = prepared;
    const pages: { ms: number; events: number }[] = [];
    const begin = monotonicMs();
    const all = Promise.withResolvers<void>();
    let journaled = 0;
    const intake = startIntake({
      topicId,
      client,
      waterline,
      async admit(page) {
        const { rows } = await preparePage(page.events, {}, composeReply, Date.now(), () => letOthersRun());
        await journal.admit(page.topicId, rows, Date.now());
        journaled += rows.length;
        pages.push({ ms: monotonicMs() - begin, events: rows.length });
        if (journaled >= expected) all.resolve();
      },
      startFrom: "earliest",
      excludeSelf: false,
      pollIntervalMs: POLL_INTERVAL_MS,
      onTrouble: (trouble) => complain(JSON.stringify(trouble)),
      onHealthy: () => undefined,
      log,
      clock: systemClock,
      sleep: systemSleep,
      random: Math.random,
    });
    await all.promise;
    await intake.stop();
    const { received } = await journal.numbers();
    return { received, pages };
  },
};

serve(api);
