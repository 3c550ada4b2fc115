/**
 * Owns the deliveries of all webhooks. A webhook is a hint: it tells the newest position of a topic, and its receiver
 * pulls. So each receiver has room for one waiting notice, and a newer one takes its place; nothing ever piles up.
 *
 * A receiver is in one of these states:
 *
 *     idle -- an event is committed --> ready -- a slot is free --> sending
 *     sending -- delivered or refused --> idle, or ready when a newer event came meanwhile
 *     sending -- failed --> waiting -- its time has come --> ready
 *     sending -- failed for the last time --> idle: given up until the next event
 *
 * At most `MAX_PARALLEL` receivers are being sent to. How far a receiver has been told is kept in the store, lazily: at
 * the next start, one that is behind is told again, and being told twice does no harm.
 */
import type { HubDeps } from "../deps.ts";
import type { Counter } from "../runtime.ts";
import type { CommitNotice, HintEvent } from "../store/port.ts";
import type { Webhook } from "../store/webhook-port.ts";
import { addressPolicy } from "./addresses.ts";
import type { AddressPolicy } from "./addresses.ts";
import type { DeliveryOutcome } from "./delivery.ts";
import { deliver, deliveryBody } from "./delivery.ts";

const MAX_PARALLEL = 32;
const MAX_BACKOFF_MS = 300_000;
/** How often the positions of receivers are written down. */
const POSITIONS_EVERY_MS = 5000;

interface Receiver {
  readonly webhook: Webhook;
  state: "idle" | "ready" | "sending" | "waiting";
  /** What it is to be told next. */
  notice: HintEvent | undefined;
  failures: number;
  timer: NodeJS.Timeout | undefined;
  deliveredSeq: number;
  storedSeq: number;
}

type DispatcherDeps = Pick<HubDeps, "store" | "clock" | "random" | "log" | "metrics" | "config">;

export class WebhookDispatcher {
  readonly #deps: DispatcherDeps;
  readonly #policy: AddressPolicy;
  readonly #receivers = new Map<string, Receiver>();
  readonly #ready: Receiver[] = [];
  readonly #sending = new Set<Promise<void>>();
  readonly #stopping = new AbortController();
  readonly #count: Record<DeliveryOutcome["kind"] | "given_up", Counter>;
  #stopListening: () => void = () => undefined;
  #positions: NodeJS.Timeout | undefined;

  constructor(deps: DispatcherDeps) {
    this.#deps = deps;
    this.#policy = addressPolicy({ allowPrivate: deps.config.webhooks.allowPrivateAddresses });
    const counter = (outcome: string) =>
      deps.metrics.counter("agentrux_hub_webhook_deliveries_total", "Attempts to tell a webhook's receiver", {
        outcome,
      });
    this.#count = {
      delivered: counter("delivered"),
      failed: counter("failed"),
      refused: counter("refused"),
      given_up: deps.metrics.counter("agentrux_hub_webhooks_given_up_total", "Notices given up after the last attempt"),
    };
  }

  /** Starts listening for commits, and tells receivers what they missed while the hub was down. */
  async start(): Promise<void> {
    this.#stopListening = this.#deps.store.events.onCommit((notice) => this.#committed(notice));
    this.#positions = setInterval(() => this.#storePositionsOrLog(), POSITIONS_EVERY_MS);
    this.#positions.unref();
    for (const webhook of await this.#deps.store.webhooks.list()) {
      this.add(webhook);
      const missed = await this.#deps.store.events.newestAfter(webhook.topicId, webhook.deliveredSeq);
      if (missed !== undefined) this.#tell(webhook.id, missed);
    }
  }

  add(webhook: Webhook): void {
    this.#receivers.set(webhook.id, {
      webhook,
      state: "idle",
      notice: undefined,
      failures: 0,
      timer: undefined,
      deliveredSeq: webhook.deliveredSeq,
      storedSeq: webhook.deliveredSeq,
    });
  }

  remove(webhookId: string): void {
    const receiver = this.#receivers.get(webhookId);
    if (receiver === undefined) return;
    clearTimeout(receiver.timer);
    receiver.notice = undefined;
    this.#receivers.delete(webhookId);
  }

  /** Breaks deliveries off, and writes down how far each receiver has got. */
  async stop(): Promise<void> {
    this.#stopListening();
    clearInterval(this.#positions);
    for (const { timer } of this.#receivers.values()) clearTimeout(timer);
    this.#stopping.abort();
    await Promise.all(this.#sending);
    await this.#storePositions();
  }

  #committed({ topicId, newest }: CommitNotice): void {
    for (const [id, { webhook }] of this.#receivers) if (webhook.topicId === topicId) this.#tell(id, newest);
  }

  #tell(webhookId: string, event: HintEvent): void {
    const receiver = this.#receivers.get(webhookId);
    if (receiver === undefined || event.seq <= (receiver.notice?.seq ?? receiver.deliveredSeq)) return;
    receiver.notice = event;
    if (receiver.state === "idle") this.#makeReady(receiver);
  }

  #makeReady(receiver: Receiver): void {
    receiver.state = "ready";
    this.#ready.push(receiver);
    this.#sendNext();
  }

  #sendNext(): void {
    while (this.#sending.size < MAX_PARALLEL && !this.#stopping.signal.aborted) {
      const receiver = this.#ready.shift();
      if (receiver === undefined) return;
      const sending = this.#send(receiver).finally(() => {
        this.#sending.delete(sending);
        this.#sendNext();
      });
      this.#sending.add(sending);
    }
  }

  async #send(receiver: Receiver): Promise<void> {
    const { webhook, notice } = receiver;
    receiver.state = "idle";
    if (notice === undefined) return;
    receiver.state = "sending";
    receiver.notice = undefined;
    const { timeoutMs } = this.#deps.config.webhooks;
    const signal = AbortSignal.any([this.#stopping.signal, AbortSignal.timeout(timeoutMs)]);
    const body = deliveryBody(webhook, notice, this.#deps.clock.now());
    const outcome = await deliver(webhook, body, this.#policy, signal);
    if (this.#stopping.signal.aborted && outcome.kind !== "delivered") return;
    this.#count[outcome.kind].inc();
    this.#settle(receiver, notice, outcome);
  }

  #settle(receiver: Receiver, notice: HintEvent, outcome: DeliveryOutcome): void {
    receiver.state = "idle";
    if (outcome.kind === "delivered") {
      receiver.failures = 0;
      receiver.deliveredSeq = notice.seq;
    } else {
      this.#deps.log.warn({ webhookId: receiver.webhook.id, reason: outcome.reason }, "webhook was not delivered");
      if (outcome.kind === "failed" && this.#receivers.has(receiver.webhook.id)) {
        receiver.notice ??= notice;
        return this.#waitOrGiveUp(receiver, outcome.retryAfterMs);
      }
      receiver.failures = 0;
    }
    if (receiver.notice !== undefined) this.#makeReady(receiver);
  }

  #waitOrGiveUp(receiver: Receiver, retryAfterMs: number | undefined): void {
    const { retryBaseMs, maxAttempts } = this.#deps.config.webhooks;
    receiver.failures += 1;
    if (receiver.failures >= maxAttempts) {
      receiver.failures = 0;
      receiver.notice = undefined;
      this.#count.given_up.inc();
      this.#deps.log.error({ webhookId: receiver.webhook.id }, "webhook given up until the next event");
      return;
    }
    const ceiling = Math.min(MAX_BACKOFF_MS, retryBaseMs * 2 ** (receiver.failures - 1));
    const jittered = ceiling / 2 + (ceiling / 2) * this.#fraction();
    receiver.state = "waiting";
    receiver.timer = setTimeout(() => this.#makeReady(receiver), Math.min(MAX_BACKOFF_MS, retryAfterMs ?? jittered));
    receiver.timer.unref();
  }

  /** Between 0 and 1. */
  #fraction(): number {
    const [byte = 0] = this.#deps.random.bytes(1);
    return byte / 255;
  }

  async #storePositions(): Promise<void> {
    for (const receiver of this.#receivers.values()) {
      const { deliveredSeq } = receiver;
      if (deliveredSeq === receiver.storedSeq) continue;
      await this.#deps.store.webhooks.setDelivered(receiver.webhook.id, deliveredSeq);
      receiver.storedSeq = deliveredSeq;
    }
  }

  #storePositionsOrLog(): void {
    this.#storePositions().catch((error: unknown) => {
      this.#deps.log.error({ err: error }, "webhook positions could not be stored; it will be tried again");
    });
  }
}
