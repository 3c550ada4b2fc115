/** A command topic and a result topic on a real hub, with a client that asks and a script for whoever answers. */

import { activate, AgentruxClient, type CommandInput } from "../../scripts/lib/client.ts";
import { type Reply, ReplyReader } from "../../scripts/lib/client-replies.ts";
import type { Hub } from "../../scripts/lib/hub.ts";

/** Longer than anything a test waits for. */
const REPLY_TIMEOUT_MS = 90_000;

/** A pair of topics and the requester's side of it. */
export class TestTopics {
  readonly commandTopicId: string;
  readonly resultTopicId: string;
  /** The answering side's script: may read commands and write results. */
  readonly agentScriptId: string;
  readonly client: AgentruxClient;
  /** Request ids of every command published here, in order. */
  readonly published: string[] = [];

  private constructor(ids: TopicIds, client: AgentruxClient) {
    this.commandTopicId = ids.commandTopicId;
    this.resultTopicId = ids.resultTopicId;
    this.agentScriptId = ids.agentScriptId;
    this.client = client;
  }

  /** Provisions a pair of topics; `name` keeps several pairs of one hub apart. */
  static async create(hub: Hub, name: string): Promise<TestTopics> {
    const commandTopicId = await hub.createTopic(`${name}-commands`);
    const resultTopicId = await hub.createTopic(`${name}-results`);
    const agentScriptId = await hub.createScript(`${name}-agent`, { read: commandTopicId, write: resultTopicId });
    const clientScriptId = await hub.createScript(`${name}-client`, { read: resultTopicId, write: commandTopicId });
    const client = new AgentruxClient(await activate(hub.url, await hub.issueCode(clientScriptId)));
    return new TestTopics({ commandTopicId, resultTopicId, agentScriptId }, client);
  }

  /** Publishes a command; its request id comes back. */
  async publish(command: CommandInput | string): Promise<string> {
    const input = typeof command === "string" ? { message: command } : command;
    const requestId = await this.client.publishCommand(this.commandTopicId, input);
    this.published.push(requestId);
    return requestId;
  }

  /** Waits for the first reply to a published command. */
  reply(requestId: string): Promise<Reply> {
    return this.client.awaitReply(this.resultTopicId, requestId, 0, REPLY_TIMEOUT_MS);
  }

  /** Publishes a command and waits for its reply. */
  async ask(command: CommandInput | string): Promise<Reply> {
    return this.reply(await this.publish(command));
  }

  /** Every reply on the result topic so far, oldest first. */
  async replies(): Promise<readonly Reply[]> {
    const events = await this.client.eventsAfter(this.resultTopicId, 0);
    const reader = new ReplyReader();
    return events.flatMap((event) => reader.take(event) ?? []);
  }

  /** How many replies each of these requests has got so far. */
  async replyCounts(requestIds: readonly string[]): Promise<readonly number[]> {
    const replies = await this.replies();
    return requestIds.map((id) => replies.filter((reply) => reply.requestId === id).length);
  }
}

interface TopicIds {
  readonly commandTopicId: string;
  readonly resultTopicId: string;
  readonly agentScriptId: string;
}
