/** What a gateway that stood by knows when it takes over: what the owner before it has read, and nothing older. */

import { readFile, rm } from "node:fs/promises";
import { afterEach, beforeEach, expect, it } from "vitest";
import { Place, type Running, until } from "./support.ts";

let place: Place;

beforeEach(async () => {
  place = await Place.create();
});

afterEach(() => place.close());

async function standingBy(): Promise<Running> {
  const second = place.start();
  await until("standby", () => second.state?.kind === "standby");
  return second;
}

/** A topic that was never read: credentials are there, a position is not. */
async function activatedOnly(): Promise<void> {
  await place.drop(await place.code("b"));
  const activating = place.start();
  await activating.ready();
  await activating.stop();
  await rm(place.paths.waterline);
}

it("loses nothing that came between the owner's end and the take-over, on a topic that is new to both", async () => {
  await activatedOnly();
  const both = [place.start(), place.start()];
  const isIn = (kind: string): Running | undefined => both.find(({ state }) => state?.kind === kind);
  await until("one works, one stands by", () => isIn("ready") !== undefined && isIn("standby") !== undefined);
  const [owner, second] = [isIn("ready"), isIn("standby")];
  await place.publish({ request_id: "r1", message: "to the first" });
  await place.reply("r1");
  await owner?.stop();
  await place.publish({ request_id: "r2", message: "to nobody" });
  await second?.ready();
  await place.reply("r2");
  expect(second?.turns).toHaveLength(1);
});

it("reads nothing again that the owner has read", async () => {
  await place.drop(await place.code("b"));
  const first = place.start();
  await first.ready();
  const second = await standingBy();
  for (let n = 0; n < 5; n += 1) await place.publish({ request_id: `r${n}`, message: "x" });
  await place.reply("r4");
  await first.stop();
  await second.ready();
  await place.publish({ request_id: "later", message: "x" });
  await place.reply("later");
  expect(second.account?.health()).toMatchObject({ duplicates: 0 });
});

it("begins at the newest event where the position was deleted meanwhile", async () => {
  await place.drop(await place.code("b"));
  const first = place.start();
  await first.ready();
  const second = await standingBy();
  const before = await readFile(place.paths.waterline, "utf8");
  await place.publish({ request_id: "answered", message: "x" });
  await place.reply("answered");
  await until("the position is stored", async () => (await readFile(place.paths.waterline, "utf8")) !== before);
  await rm(place.paths.waterline);
  await first.stop();
  await second.ready();
  expect(second.lines.join("\n")).toContain("published before the first start");
});
