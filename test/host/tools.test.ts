/** Which tools a run is offered at all. What it may do with them is decided once more where they run. */

import { expect, it } from "vitest";
import type { OpenClawPluginApi } from "openclaw/plugin-sdk/core";
import { registerTools } from "../../src/host/tools.ts";
import { CHANNEL_ID } from "../../src/ids.ts";
import { TOOLS, WORLD_TOOLS } from "../../src/tools/catalogue.ts";

type Factory = (host: object) => { readonly name: string } | null;

function offered(host: object, baseUrl = "https://hub.example"): readonly string[] {
  const factories: Factory[] = [];
  const api: Pick<OpenClawPluginApi, "registerTool"> = {
    registerTool: (factory) => void factories.push(factory as Factory),
  };
  registerTools(api as OpenClawPluginApi);
  const getRuntimeConfig = () => ({ channels: { [CHANNEL_ID]: { baseUrl, flux: { topicTurns: "read" } } } });
  return factories.flatMap((factory) => factory({ getRuntimeConfig, ...host })?.name ?? []);
}

const named = (pick: (tool: (typeof TOOLS)[number]) => boolean) => TOOLS.filter(pick).map(({ name }) => name);

it("offers everything to the owner, and what is the owner's to nobody else", () => {
  expect(offered({ senderIsOwner: true })).toEqual(named(() => true));
  const forAll = named(({ ownerOnly }) => ownerOnly !== true);
  expect(forAll.length).toBeLessThan(TOOLS.length);
  for (const senderIsOwner of [false, undefined]) expect(offered({ senderIsOwner })).toEqual(forAll);
});

it.each([
  { messageChannel: CHANNEL_ID },
  { deliveryContext: { channel: CHANNEL_ID } },
  { sessionKey: `agent:main:${CHANNEL_ID}:group:abc` },
])("does not offer a run of %j what a topic's turn never has, not even as an owner", (origin) => {
  const mayRead = ({ topicTurn }: (typeof TOOLS)[number]): boolean =>
    topicTurn !== "never" && (typeof topicTurn === "string" || !("world" in topicTurn) || topicTurn.world === "read");
  expect(offered({ ...origin, senderIsOwner: true })).toEqual(named(mayRead));
});

it("offers nothing for the world state where the account's service has none", () => {
  const without = TOOLS.filter((tool) => !WORLD_TOOLS.includes(tool)).map(({ name }) => name);
  expect(offered({ senderIsOwner: true }, "https://api.agentrux.com")).toEqual(without);
});
