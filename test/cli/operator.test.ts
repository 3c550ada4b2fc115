/** The operator's commands beside a running account, and after it has stopped. */

import { mkdir } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { actOnDeadLetter, inbox, listDeadLetters, showDeadLetter } from "../../src/cli/journal.ts";
import { setWaterline, showWaterline } from "../../src/cli/waterline.ts";
import { echo, Place, type Turn, until } from "../account/support.ts";

let place: Place;

beforeEach(async () => {
  place = await Place.create();
  await mkdir(place.paths.dir, { recursive: true, mode: 0o700 });
});

afterEach(() => place.close());

async function activated(turn: Turn, settings?: object) {
  await place.drop(await place.code());
  const running = place.start(turn, settings);
  await running.ready();
  return running;
}

interface Listed {
  readonly total: number;
  readonly deadLetters: readonly { readonly id: number; readonly reason: string }[];
}

/** An account whose first turn fails for good, so that there is a dead letter. */
async function withDeadLetter() {
  let broken = true;
  const running = await activated(
    (request, signal) => (broken ? Promise.reject(new Error("model is down")) : echo(request, signal)),
    { maxAttempts: 1 },
  );
  await place.publish({ request_id: "dead", message: "please" });
  expect(await place.reply("dead")).toMatchObject({ status: "failed" });
  const listed = (await listDeadLetters(place.paths, Date.now())).json as Listed;
  expect(listed.total).toBe(1);
  return { running, id: listed.deadLetters[0]?.id ?? 0, mend: () => void (broken = false) };
}

describe("before the first run", () => {
  it("says that there is nothing yet", async () => {
    for (const result of [await inbox(place.paths, 0), await listDeadLetters(place.paths, 0)]) {
      expect(result).toMatchObject({ exitCode: 1, json: { error: { code: "no_journal" } } });
    }
    expect(await showWaterline(place.paths, place.keys.commandTopicId)).toMatchObject({
      exitCode: 1,
      json: { error: { code: "not_activated" } },
    });
  });
});

describe("inbox", () => {
  it("shows what is open while the gateway runs", async () => {
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const running = await activated(async (request, signal) => {
      await held;
      return echo(request, signal);
    });
    await place.publish({ request_id: "r", message: "x" });
    await until("the turn runs", () => running.turns.length === 1);
    const { json, lines } = await inbox(place.paths, Date.now());
    expect(json).toMatchObject({ running: 1, gatewayRunning: true, commands: [{ state: "running", attempt: 1 }] });
    expect(lines.join("\n")).toContain(`pid ${process.pid}`);
    release();
    await place.reply("r");
    await until(
      "nothing is open",
      async () => ((await inbox(place.paths, Date.now())).json as { commands: [] }).commands.length === 0,
    );
  });
});

describe("dead letters", () => {
  it("are listed and shown with their command", async () => {
    const { id } = await withDeadLetter();
    const shown = await showDeadLetter(place.paths, id);
    expect(shown.json).toMatchObject({ id, kind: "turn", command: { requestId: "dead", message: "please" } });
    expect(await showDeadLetter(place.paths, id + 1)).toMatchObject({ exitCode: 1 });
  });

  it("are replayed by a running gateway, which answers the requester once more", async () => {
    const { id, mend } = await withDeadLetter();
    mend();
    expect(await actOnDeadLetter(place.paths, "replay", id)).toMatchObject({ json: { outcome: "done" } });
    await until("the second answer", async () =>
      (await place.replies()).some((reply) => reply["status"] === "completed" && reply["message"] === "echo: please"),
    );
    expect(((await listDeadLetters(place.paths, Date.now())).json as Listed).total).toBe(0);
  });

  it("are replayed at the next start when no gateway runs", async () => {
    const { running, id, mend } = await withDeadLetter();
    mend();
    await running.stop();
    expect((await actOnDeadLetter(place.paths, "replay", id)).lines[0]).toContain("when a gateway starts");
    place.start();
    await until("the second answer", async () =>
      (await place.replies()).some((reply) => reply["status"] === "completed"),
    );
  });

  it("are dropped, once", async () => {
    const { id } = await withDeadLetter();
    expect(await actOnDeadLetter(place.paths, "drop", id)).toMatchObject({ exitCode: 0 });
    expect(await actOnDeadLetter(place.paths, "drop", id)).toMatchObject({ exitCode: 1 });
  });
});

describe("waterline", () => {
  it("is shown and set beside a running gateway, which reads again and runs nothing twice", async () => {
    const running = await activated(echo);
    await place.publish({ request_id: "r1", message: "x" });
    await place.publish({ request_id: "r2", message: "y" });
    await place.reply("r2");
    const topic = place.keys.commandTopicId;
    await until("the position has moved", async () => {
      const { json } = await showWaterline(place.paths, topic);
      return (json as { cursor?: string }).cursor === "2";
    });
    expect(await setWaterline(place.paths, topic, "0")).toMatchObject({ exitCode: 0, json: { outcome: "done" } });
    await until("both were read again", () => running.account?.health()["duplicates"] === 2);
    expect(running.turns).toHaveLength(2);
    await place.publish({ request_id: "r3", message: "z" });
    expect(await place.reply("r3")).toMatchObject({ message: "echo: z" });
    expect(await place.replies()).toHaveLength(3);
  });

  it("is set forward beside a running gateway: what lies between is never run", async () => {
    const running = await activated(echo);
    const topic = place.keys.commandTopicId;
    expect(await setWaterline(place.paths, topic, "2")).toMatchObject({ exitCode: 0, json: { outcome: "done" } });
    for (const id of ["r1", "r2", "r3"]) await place.publish({ request_id: id, message: id });
    await place.reply("r3");
    expect(running.turns.map(({ command }) => command.requestId)).toEqual(["r3"]);
    const other = "0198c0de-0000-7000-8000-00000000dead";
    expect(await setWaterline(place.paths, other, "2")).toMatchObject({ json: { error: { code: "not_found" } } });
  });

  it("is set back without running anything twice", async () => {
    const first = await activated(echo);
    await place.publish({ request_id: "r", message: "x" });
    await place.reply("r");
    await first.stop();
    const topic = place.keys.commandTopicId;
    expect(await setWaterline(place.paths, topic, "nonsense")).toMatchObject({ exitCode: 2 });
    expect(await setWaterline(place.paths, topic, "0")).toMatchObject({ exitCode: 0 });
    const second = place.start();
    await until("the event was read again", () => second.account?.health()["duplicates"] === 1);
    expect(second.turns).toHaveLength(0);
    expect(await place.replies()).toHaveLength(1);
  });
});
