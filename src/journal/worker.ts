/**
 * The journal's thread: keeps synchronous disk work off the gateway's event loop.
 *
 * All calls that are waiting when a turn begins are taken together: one transaction, one flush to disk, one message
 * back. While the disk is busy the next group gathers, so a slow disk makes larger groups instead of a longer queue.
 */

import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { openKeeper } from "./keeper.ts";
import { sqliteFault } from "./sqlite-fault.ts";
import { type FromWorker, toPlain, type ToWorker, type WorkerSettings } from "./protocol.ts";

const UPKEEP_EVERY_MS = 60_000;
const UPKEEP_GOES_ON_MS = 50;
/** Calls in one transaction: bounds how long a single call waits for its neighbours. */
const MAX_GROUP = 512;

type Send = (message: FromWorker) => void;

function serve(port: MessagePort, send: Send, settings: WorkerSettings): void {
  const keeper = openKeeper(settings, Date.now, (finding) => send({ kind: "finding", finding }));
  const startedAt = Date.now();
  const started = performance.now();
  let timer: NodeJS.Timeout;

  const upkeep = (): void => {
    // A clock that is set forward must not make everything old at once.
    const more = keeper.upkeep(Math.min(Date.now(), startedAt + performance.now() - started));
    timer = setTimeout(upkeep, more ? UPKEEP_GOES_ON_MS : UPKEEP_EVERY_MS);
  };

  const close = (): void => {
    clearTimeout(timer);
    keeper.close();
    port.close();
  };

  port.on("message", (first: ToWorker) => {
    const group: Extract<ToWorker, { kind: "call" }>[] = [];
    let message: ToWorker | undefined = first;
    while (message?.kind === "call") {
      group.push(message);
      message = group.length < MAX_GROUP ? receiveMessageOnPort(port)?.message : undefined;
    }
    if (group.length > 0) {
      const outcomes = keeper.run(group.map((item) => item.call));
      send({
        kind: "outcomes",
        outcomes: outcomes.map((outcome, index) => {
          const seq = group[index]?.seq ?? -1;
          return "error" in outcome ? { seq, error: toPlain(outcome.error) } : { seq, value: outcome.value };
        }),
      });
    }
    if (message?.kind === "close") close();
  });
  timer = setTimeout(upkeep, UPKEEP_GOES_ON_MS);
  send({ kind: "ready" });
}

if (parentPort !== null) {
  const port = parentPort;
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker has no origin
  const send: Send = (message) => port.postMessage(message);
  try {
    serve(port, send, workerData as WorkerSettings);
  } catch (error) {
    send({ kind: "unusable", error: toPlain(sqliteFault(error)) });
  }
}
