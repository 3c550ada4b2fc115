/** What the hub needs of a store for webhooks. */
import type { Generation } from "./port.ts";

export interface Webhook {
  /** UUID. */
  readonly id: string;
  readonly topicId: string;
  readonly url: string;
  /** In the clear: deliveries are signed with it. */
  readonly secret: string;
  /** Which form of the topic id deliveries carry. */
  readonly generation: Generation;
  readonly createdAt: number;
  /** Newest sequence number the receiver is known to have been told. */
  readonly deliveredSeq: number;
}

export interface WebhookStore {
  /** `deliveredSeq` is set to the topic's newest event: a receiver hears of what comes after its registration. */
  create(webhook: Omit<Webhook, "deliveredSeq">): Promise<Webhook>;
  /** Those of one topic, or all; oldest first. */
  list(topicId?: string): Promise<readonly Webhook[]>;
  remove(id: string): Promise<boolean>;
  setDelivered(id: string, seq: number): Promise<void>;
}
