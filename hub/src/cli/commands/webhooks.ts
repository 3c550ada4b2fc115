/** Owns `webhook`: receivers that are told of a topic's new events. */
import { createWebhookResponseSchema } from "agentrux-wire";
import { z } from "zod";
import { createAdminClient } from "../admin-client.ts";
import type { Commands } from "../command.ts";
import { locateHub } from "../locate.ts";
import { findTopic } from "../resolve.ts";
import { table } from "../table.ts";

const webhookListSchema = z.looseObject({
  webhooks: z.array(z.looseObject({ webhook_id: z.string(), url: z.string(), created_at: z.string() })),
});

export const webhookCommands: Commands = {
  "webhook create": {
    usage: "webhook create TOPIC URL",
    operands: ["TOPIC", "URL"],
    options: {},
    async run(args, io) {
      const [topicRef = "", url = ""] = args.operands;
      const client = createAdminClient(locateHub(args, io));
      const topic = await findTopic(client, topicRef);
      // The form in which the topic was given is the form in which deliveries name it.
      const given = topicRef.startsWith("top_") ? topicRef : topic.topic_id;
      const webhook = await client.post(`/console/topics/${given}/webhooks`, { url }, createWebhookResponseSchema);
      return {
        json: webhook,
        text: `Webhook ${webhook.webhook_id} is made.\nIts signing secret, shown this once:\n  ${webhook.secret}`,
      };
    },
  },

  "webhook list": {
    usage: "webhook list TOPIC",
    operands: ["TOPIC"],
    options: {},
    async run(args, io) {
      const client = createAdminClient(locateHub(args, io));
      const topic = await findTopic(client, args.operands[0] ?? "");
      const list = await client.get(`/console/topics/${topic.topic_id}/webhooks`, webhookListSchema);
      const rows = list.webhooks.map((webhook) => [webhook.webhook_id, webhook.url, webhook.created_at]);
      return { json: list, text: table(["WEBHOOK", "URL", "MADE"], rows, "There are no webhooks.") };
    },
  },

  "webhook delete": {
    usage: "webhook delete WEBHOOK",
    operands: ["WEBHOOK"],
    options: {},
    async run(args, io) {
      const id = args.operands[0] ?? "";
      await createAdminClient(locateHub(args, io)).delete(`/console/webhooks/${encodeURIComponent(id)}`);
      return { json: { webhook_id: id, deleted: true }, text: `Webhook ${id} is gone.` };
    },
  },
};
