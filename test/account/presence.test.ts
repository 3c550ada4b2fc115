/** An account that shows the gateway's agents in the world: over a real hub, from the start of the account to its end. */

import { mkdir } from "node:fs/promises";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { PresenceSource } from "../../src/account/presence.ts";
import { AgentActivity } from "../../src/flux/agent-activity.ts";
import { createFluxClient, type FluxClient } from "../../src/flux/client.ts";
import { showTurn } from "../../src/host/agent-runs.ts";
import { systemClock } from "../../src/service/clock.ts";
import { Place, type Turn, until } from "./support.ts";

const MARKER = "MARKER-a-text-of-a-request";

let place: Place;
let world: FluxClient;
let activity: AgentActivity;
const signal = () => AbortSignal.timeout(10_000);

beforeEach(async () => {
  place = await Place.create();
  await mkdir(place.paths.dir, { recursive: true, mode: 0o700 });
  world = createFluxClient({ url: place.hub.url });
  activity = new AgentActivity(systemClock);
});

afterEach(async () => {
  await world.close();
  await place.close();
});

const source = (): PresenceSource => ({
  version: "1.2.3",
  hostVersion: "2026.9.6",
  agents: () => ["main", "helper"].map((agentId) => ({ agentId, ...activity.of(agentId) })),
  onChange: (listener) => activity.onChange(listener),
});

async function started(flux: object, turn?: Turn) {
  await place.drop(await place.code());
  const running = place.start(turn, { flux }, { presence: source() });
  await running.ready();
  return running;
}

const status = async (agentId: string) => (await world.entity(`lab/${agentId}`, signal()))?.properties["status"];

it("shows every agent, busy with a request and idle after it, and no word of what was asked", async () => {
  const release = Promise.withResolvers<undefined>();
  const turn: Turn = (request) =>
    showTurn(activity, "main", request, async () => {
      await release.promise;
      return { kind: "replied", text: `answer to ${MARKER}`, media: [] };
    });
  const running = await started(
    { namespace: "lab", presence: { enabled: true, intervalSeconds: 5, capabilities: ["python"] } },
    turn,
  );
  await until("both are shown", async () => (await status("main")) === "idle" && (await status("helper")) === "idle");
  await place.publish({ request_id: "r-1", message: MARKER, conversation_key: MARKER });
  await until("it is busy", async () => (await status("main")) === "busy");
  const busy = await world.entity("lab/main", signal());
  expect(busy?.properties).toMatchObject({ task: "request r-1", capabilities: ["python", "agentrux.requests"] });
  expect((await world.entity("lab/helper", signal()))?.properties).toMatchObject({ capabilities: ["python"] });
  release.resolve(undefined);
  expect(await place.reply("r-1")).toMatchObject({ status: "completed" });
  await until("it is idle again", async () => (await status("main")) === "idle");
  expect(running.account?.health()).toMatchObject({
    presence: "on",
    presencePublishedAt: expect.any(Number) as number,
  });
  const history = await world.history({ entity: "lab/main", limit: 100 }, signal());
  expect(history.items.length).toBeGreaterThanOrEqual(3);
  expect(JSON.stringify(history)).not.toContain("MARKER");
  await running.stop();
  expect([await status("main"), await status("helper")]).toEqual(["offline", "offline"]);
});

it("shows nobody where nobody asked for it", async () => {
  const running = await started({ namespace: "lab", presence: { enabled: false } });
  await running.stop();
  expect(running.account?.health()).not.toHaveProperty("worldError");
  expect((await world.list({}, signal())).items).toEqual([]);
  expect(running.account?.health()).not.toHaveProperty("presence");
});

it.each([
  ["a token that nobody has resolved", { token: { source: "env", provider: "default", id: "NONE" } }, /flux\.token/],
  ["a server that would see the token in the clear", { url: "http://flux.example", token: "secret-secret" }, /http/],
])("answers its commands all the same with %s, and says what is wrong", async (_, flux, why) => {
  const running = await started({ namespace: "lab", presence: { enabled: true }, ...flux });
  await place.publish({ request_id: "r-1", message: "x" });
  expect(await place.reply("r-1")).toMatchObject({ status: "completed" });
  expect(running.account?.health()).toMatchObject({
    presence: "off",
    worldError: expect.stringMatching(why) as string,
    presenceError: expect.stringMatching(why) as string,
  });
  expect(running.lines.filter((line) => why.test(line))).toHaveLength(1);
  expect(running.lines.join("\n")).not.toContain("secret-secret");
});

it("works on while the server is away, and stops in time", async () => {
  const flux = { url: "http://127.0.0.1:9", namespace: "lab", presence: { enabled: true } };
  const running = await started(flux);
  await place.publish({ request_id: "r-1", message: "x" });
  expect(await place.reply("r-1")).toMatchObject({ status: "completed" });
  await until("it is told", () => running.lines.some((line) => line.includes("presence cannot be published")));
  expect(running.account?.health()).toHaveProperty("presenceError");
  await running.stop();
});
