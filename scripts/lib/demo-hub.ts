/** Owns the hub's side of the main job: a hub, two topics, a script for the agent, and a script for the client. */

import { randomBytes } from "node:crypto";
import { activate, AgentruxClient } from "./client.ts";
import { Refused } from "./client-http.ts";
import type { StateFolder, Topology } from "./demo-state.ts";
import { Hub } from "./hub.ts";
import { freePort } from "./ports.ts";

const DEFAULT_HUB_PORT = 8787;

/** Starts the hub, on the port of last time where that is still free. */
export async function startHub(folder: StateFolder): Promise<Hub> {
  const hub = await Hub.start({
    dataDir: folder.path("hub"),
    port: await freePort(folder.state.hubPort ?? DEFAULT_HUB_PORT),
    logFile: folder.path("hub.log"),
  });
  folder.state.hubPort = hub.port;
  folder.save();
  return hub;
}

/** Creates the topics and scripts, unless the hub still has those of last time. */
export async function provision(hub: Hub, folder: StateFolder): Promise<Topology> {
  const last = folder.state.topology;
  if (last !== undefined) {
    const { commandTopicId, resultTopicId, agentScriptId, clientScriptId } = last;
    if (await hub.knows([commandTopicId, resultTopicId], [agentScriptId, clientScriptId])) return last;
  }
  // Names are the hub's to keep apart; a suffix lets a second set stand beside one we have lost sight of.
  const suffix = randomBytes(2).toString("hex");
  const commandTopicId = await hub.createTopic(`commands-${suffix}`);
  const resultTopicId = await hub.createTopic(`results-${suffix}`);
  const topology = {
    commandTopicId,
    resultTopicId,
    agentScriptId: await hub.createScript(`agent-${suffix}`, { read: commandTopicId, write: resultTopicId }),
    clientScriptId: await hub.createScript(`client-${suffix}`, { read: resultTopicId, write: commandTopicId }),
  };
  folder.state.topology = topology;
  delete folder.state.client;
  folder.save();
  return topology;
}

/** Connects the client: with the credentials of last time if the hub still takes them, else by a new code. */
export async function connectClient(hub: Hub, topology: Topology, folder: StateFolder): Promise<AgentruxClient> {
  const last = folder.state.client;
  if (last !== undefined && last.scriptId === topology.clientScriptId) {
    const client = new AgentruxClient({ ...last, baseUrl: hub.url });
    try {
      await client.newest(topology.resultTopicId);
      return client;
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
    }
  }
  const client = new AgentruxClient(await activate(hub.url, await hub.issueCode(topology.clientScriptId)));
  await client.token();
  folder.state.client = client.credentials;
  folder.save();
  return client;
}
