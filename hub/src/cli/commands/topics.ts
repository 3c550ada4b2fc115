/** Owns `topic` and `invite`: topics, and the codes that let other people's scripts in. */
import { RETENTION_MAX_S, consoleTopicSchema, createInviteResponseSchema, prefixedTopicId } from "agentrux-wire";
import { z } from "zod";
import { createAdminClient } from "../admin-client.ts";
import { oneOf, wholeNumber } from "../args.ts";
import type { Commands } from "../command.ts";
import { locateHub } from "../locate.ts";
import { findTopic, topicListSchema } from "../resolve.ts";
import { table } from "../table.ts";

const inviteListSchema = z.looseObject({
  invites: z.array(
    z.looseObject({ action: z.string(), created_at: z.string(), expires_at: z.string(), state: z.string() }),
  ),
});

export const topicCommands: Commands = {
  "topic create": {
    usage: "topic create NAME [--retention HOURS]",
    operands: ["NAME"],
    options: { retention: { type: "string" } },
    async run(args, io) {
      const [name = ""] = args.operands;
      const hours = args.optional("retention");
      const retention =
        hours === undefined ? {} : { retention_s: wholeNumber("retention", hours, 1, RETENTION_MAX_S / 3600) * 3600 };
      const client = createAdminClient(locateHub(args, io));
      const topic = await client.post("/console/topics", { name, ...retention }, consoleTopicSchema);
      return {
        json: { topic_id: topic.topic_id, name: topic.name },
        text: `Topic ${topic.name} is made.\n  topic_id              ${topic.topic_id}\n  same, generation B    ${prefixedTopicId(topic.topic_id)}`,
      };
    },
  },

  "topic list": {
    usage: "topic list",
    operands: [],
    options: {},
    async run(args, io) {
      const { topics } = await createAdminClient(locateHub(args, io)).get("/console/topics", topicListSchema);
      const rows = topics.map((topic) => [topic.name, topic.topic_id, retention(topic.retention_s)]);
      return { json: { topics }, text: table(["NAME", "TOPIC ID", "KEPT FOR"], rows, "There are no topics yet.") };
    },
  },

  "invite create": {
    usage: "invite create TOPIC --action read|write [--ttl SECONDS]",
    operands: ["TOPIC"],
    options: { action: { type: "string" }, ttl: { type: "string" } },
    async run(args, io) {
      const action = oneOf("action", args.required("action"), ["read", "write"]);
      const ttl = args.optional("ttl");
      const life = ttl === undefined ? {} : { ttl_seconds: wholeNumber("ttl", ttl, 300, RETENTION_MAX_S) };
      const client = createAdminClient(locateHub(args, io));
      const topic = await findTopic(client, args.operands[0] ?? "");
      const path = `/console/topics/${topic.topic_id}/invites`;
      const invite = await client.post(path, { action, ...life }, createInviteResponseSchema);
      return {
        json: invite,
        text: `Invite code for ${action} on ${topic.name}, shown this once, good for one use until ${invite.expires_at}:\n  ${invite.invite_code}`,
      };
    },
  },

  "invite list": {
    usage: "invite list TOPIC",
    operands: ["TOPIC"],
    options: {},
    async run(args, io) {
      const client = createAdminClient(locateHub(args, io));
      const topic = await findTopic(client, args.operands[0] ?? "");
      const list = await client.get(`/console/topics/${topic.topic_id}/invites`, inviteListSchema);
      const rows = list.invites.map((invite) => [invite.action, invite.state, invite.created_at, invite.expires_at]);
      return { json: list, text: table(["ACTION", "STATE", "MADE", "EXPIRES"], rows, "There are no invites.") };
    },
  },
};

function retention(seconds: number | null | undefined): string {
  if (typeof seconds !== "number") return "";
  return seconds % 86_400 === 0 ? `${seconds / 86_400} d` : `${Math.round(seconds / 3600)} h`;
}
