/** Owns registering webhooks through the console, and runs their deliveries. */
import type { CreateWebhookResponse } from "agentrux-wire";
import { createWebhookRequestSchema, generationOfTopicId } from "agentrux-wire";
import { resolveTopic } from "../admin/operations.ts";
import { newSecret } from "../auth/secrets.ts";
import type { HubDeps } from "../deps.ts";
import { HubError } from "../errors.ts";
import { readJson } from "../http/body.ts";
import type { HubApp } from "../http/context.ts";
import { uuidV4 } from "../ids.ts";
import { isoTime } from "../time.ts";
import { WebhookDispatcher } from "./dispatcher.ts";

const MAX_PER_TOPIC = 20;

/** Must be registered after the console's door. */
export function registerWebhookRoutes(app: HubApp, deps: HubDeps): void {
  const dispatcher = new WebhookDispatcher(deps);
  const started = dispatcher.start().catch((error: unknown) => {
    deps.log.error({ err: error }, "webhooks could not be loaded");
  });
  deps.onClose(async () => {
    await started;
    await dispatcher.stop();
  });

  app.get("/console/topics/:topic_id/webhooks", async (c) => {
    const topic = await resolveTopic(deps, c.req.param("topic_id"));
    const webhooks = await deps.store.webhooks.list(topic.id);
    return c.json({
      webhooks: webhooks.map(({ id, topicId, url, createdAt }) => ({
        webhook_id: id,
        topic_id: topicId,
        url,
        created_at: isoTime(createdAt),
      })),
    });
  });

  app.post("/console/topics/:topic_id/webhooks", async (c) => {
    const topicRef = c.req.param("topic_id");
    const topic = await resolveTopic(deps, topicRef);
    const { url } = await readJson(c, createWebhookRequestSchema);
    if (new URL(url).username !== "" || new URL(url).password !== "") {
      throw new HubError("INVALID", "url: must not carry a user name or password");
    }
    if ((await deps.store.webhooks.list(topic.id)).length >= MAX_PER_TOPIC) {
      throw new HubError("CONFLICT", `The topic has ${MAX_PER_TOPIC} webhooks already`);
    }
    const webhook = await deps.store.webhooks.create({
      id: uuidV4(deps.random),
      topicId: topic.id,
      url,
      secret: newSecret(deps.random, "whs_"),
      // As everywhere, the form of the topic id decides the dialect; here that of the deliveries.
      generation: generationOfTopicId(topicRef) ?? "a",
      createdAt: deps.clock.now(),
    });
    dispatcher.add(webhook);
    const { id, topicId, secret } = webhook;
    return c.json<CreateWebhookResponse>({ webhook_id: id, topic_id: topicId, url, secret }, 201);
  });

  app.delete("/console/webhooks/:webhook_id", async (c) => {
    const webhookId = c.req.param("webhook_id");
    if (!(await deps.store.webhooks.remove(webhookId))) throw new HubError("NOT_FOUND", "No such webhook");
    dispatcher.remove(webhookId);
    return c.body(null, 204);
  });
}
