/** Owns bringing the whole main job up, step by step: hub, topics, plugin, gateway, and a client to talk to it. */

import path from "node:path";
import type { AgentruxClient } from "./client.ts";
import type { Reply } from "./client-replies.ts";
import { connectClient, provision, startHub } from "./demo-hub.ts";
import {
  configure,
  AGENT_ID,
  dropActivationCode,
  installPackedPlugin,
  isActivated,
  prepareHome,
  startGateway,
} from "./demo-gateway.ts";
import { StateFolder, type Topology, writePrivate } from "./demo-state.ts";
import { presence, wakeByChange } from "./demo-world.ts";
import type { ModelChoice } from "./host-config.ts";
import { type ChosenModel, chooseModel } from "./model-choice.ts";
import { startScriptedModel } from "./model.ts";
import type { StartOptions } from "./options.ts";
import { freePort } from "./ports.ts";
import type { Steps } from "./steps.ts";

/** Longer than the plugin's own limit for a turn, after which a reply comes in any case. */
const REPLY_TIMEOUT_MS = 180_000;

/** The running main job. */
export interface Demo {
  readonly hubUrl: string;
  readonly topology: Topology;
  /** File with the client's Authorization header, for curl. */
  readonly headerFile: string;
  readonly modelName: string;
  /** Resolves, with its name, when the hub or the gateway has ended by itself. */
  readonly ended: Promise<string>;
  /** Publishes a command and waits for the reply. */
  ask(message: string): Promise<Reply>;
  /** What the agent shows of itself in the shared world state, in words. */
  presence(): Promise<string>;
  /** Changes an entity that the agent watches; what it says about it. */
  wakeByChange(): Promise<string>;
  /** Renews the header file when its token is about to end. */
  renewHeader(): Promise<void>;
}

/**
 * Brings everything up.
 *
 * @throws DemoError where something can be said about the cure.
 */
export async function startDemo(options: StartOptions, steps: Steps): Promise<Demo> {
  const chosen = chooseModel(options.model, process.env);
  const folder = StateFolder.open(options.stateDir, { fresh: options.fresh });
  const hub = await steps.run(
    "Starting the hub",
    () => startHub(folder),
    ({ url }) => url,
  );
  const [topology, client] = await steps.run("Creating topics, scripts and the client's credentials", async () => {
    const created = await provision(hub, folder);
    return [created, await connectClient(hub, created, folder)] as const;
  });
  const home = await prepareHome(folder, chosen);
  await steps.run(
    "Packing and installing the plugin",
    () => installPackedPlugin(folder, home),
    (done) => done,
  );
  const model = await prepareModel(folder, chosen);
  await steps.run(
    "Configuring OpenClaw",
    () => configure(folder, home, model, topology, hub),
    (done) => done,
  );
  if (!isActivated(home, hub, topology)) {
    await steps.run("Dropping the activation code into BOOTSTRAP.md", () => dropActivationCode(home, hub, topology));
  }
  const gateway = await steps.run(
    "Starting the gateway",
    () => startGateway(home, hub, topology),
    () => `port ${home.port}`,
  );
  const headerFile = folder.path("client.header");
  return {
    hubUrl: hub.url,
    topology,
    headerFile,
    modelName: chosen.kind === "scripted" ? "the scripted model" : chosen.ref,
    ended: Promise.race([hub.exited.then(() => "the hub"), gateway.exited.then(() => "the gateway")]),
    ask: (message) => ask(client, topology, message),
    presence: () => presence(hub.url, AGENT_ID),
    wakeByChange: () => wakeByChange(hub.url),
    renewHeader: async () => writePrivate(headerFile, `Authorization: Bearer ${await client.token()}\n`),
  };
}

/** Starts the scripted model in this process, if that is the one; on the port of last time where it is still free. */
async function prepareModel(folder: StateFolder, chosen: ChosenModel): Promise<ModelChoice> {
  if (chosen.kind === "real") return chosen;
  const model = await startScriptedModel({ port: await freePort(folder.state.modelPort) });
  folder.state.modelPort = model.port;
  folder.save();
  return { kind: "scripted", baseUrl: model.baseUrl };
}

const CONVERSATION = `demo-${process.pid}-${Date.now().toString(36)}`;

function ask(client: AgentruxClient, topology: Topology, message: string): Promise<Reply> {
  return client.ask(topology, { message, conversationKey: CONVERSATION }, REPLY_TIMEOUT_MS);
}

/** Commands to copy: one that sends a command, one that reads the newest replies. The token stays in its file. */
export function curlCommands(demo: Demo, cwd: string): readonly [send: string, read: string] {
  const header = `-H @${quoted(relativeTo(cwd, demo.headerFile))}`;
  const { commandTopicId, resultTopicId } = demo.topology;
  const body = JSON.stringify({ type: "openclaw.request", payload: { message: "ping" } });
  return [
    `curl -s ${header} -d '${body}' ${demo.hubUrl}/topics/${commandTopicId}/events`,
    `curl -s ${header} '${demo.hubUrl}/topics/${resultTopicId}/events?limit=1'`,
  ];
}

function relativeTo(cwd: string, file: string): string {
  const relative = path.relative(cwd, file);
  return relative.startsWith("..") ? file : relative;
}

function quoted(text: string): string {
  return /^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
