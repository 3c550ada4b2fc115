/**
 * Long run at a steady rate: `node bench/soak.ts [--minutes 120] [--per-second 100] [--every 60] [--out file.json]`.
 *
 * A hub, and a process that holds an account whose agent echoes. Commands are published evenly; every `--every` seconds
 * the processes are looked at from outside, and the result topic is read on. In the end it must hold exactly one
 * terminal reply for each command; the exit code says so. Linux only.
 */

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { accountChild, settingsFor, untilSettled } from "./lib/account-api.ts";
import { Connection, requestBytes } from "./lib/connection.ts";
import { openLoop } from "./lib/load.ts";
import { describeMachine } from "./lib/machine.ts";
import { commandEvent, Place } from "./lib/place.ts";
import { Replies } from "./lib/replies-seen.ts";
import { describeSoak, readingOf, type SoakReading, type SoakReport } from "./lib/soak-report.ts";

const MS_PER_MINUTE = 60_000;
const SETTLE_MS = 120_000;
const CONNECTIONS = 8;

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "120" },
    "per-second": { type: "string", default: "100" },
    every: { type: "string", default: "60" },
    out: { type: "string" },
  },
});
const minutes = Number(values.minutes);
const perSecond = Number(values["per-second"]);
const everyMs = Number(values.every) * 1000;

const dir = await mkdtemp(path.join(os.tmpdir(), "agentrux-soak-"));
const place = await Place.open(dir);
const child = accountChild();
try {
  const pair = await place.pair();
  const home = await place.agentHome(pair);
  await child.call("start", home, settingsFor(place, pair, { maxConcurrency: 16 }));
  const asker = await place.asker(pair.commandTopicId);
  const replies = new Replies(await place.asker(pair.resultTopicId), pair.resultTopicId);
  const connections = await Connection.openMany(place.hub.url, CONNECTIONS);
  const url = place.eventsUrl(pair.commandTopicId);
  const readings: SoakReading[] = [];
  const begin = Date.now();
  let published = 0;

  for (const end = begin + minutes * MS_PER_MINUTE; Date.now() < end;) {
    const token = await asker.token();
    const durationMs = Math.min(everyMs, end - Date.now());
    const { done } = await openLoop(connections, { perSecond, durationMs }, () =>
      requestBytes({ method: "POST", url, token, json: commandEvent("") }),
    );
    published += done;
    await replies.readOn();
    const reading = await readingOf({ child, hubPid: place.hubPid, journal: home.dir, sinceMs: Date.now() - begin });
    readings.push(reading);
    process.stderr.write(`${describeSoak([reading])}  ${published} published, ${replies.terminal} answered\n`);
  }

  await untilSettled(child, published, SETTLE_MS);
  await replies.readOn();
  for (const connection of connections) connection.close();
  const lost = published - replies.answered;
  const report: SoakReport = {
    date: new Date(begin).toISOString(),
    machine: describeMachine(),
    minutes,
    perSecond,
    published,
    lost,
    doubled: replies.terminal - replies.answered,
    readings,
  };
  console.log(describeSoak(readings, report));
  if (values.out !== undefined) await writeFile(values.out, `${JSON.stringify(report, undefined, 2)}\n`);
  process.exitCode = lost === 0 && report.doubled === 0 ? 0 : 1;
} finally {
  await child.stop();
  await place.close();
  await rm(dir, { recursive: true, force: true });
}
