/**
 * Owns the conversation with this project's hub over one connection (mode `explicit`).
 *
 *   asked    -> live      after `subscribed` and a whole snapshot; or, where a cursor is kept, `resync` ... `synced`
 *   live     -> behind    `resync`: the server has skipped events and sends states in their place
 *   behind   -> live      `synced`
 *   any      -> asked     `resync` with the reason cursor_expired: a snapshot follows
 *
 * The cursor moves only while everything asked for is live. A connection that breaks while something is behind goes on
 * from before that, so that what one subscription has already been sent is not taken for what another has.
 */

import type { FluxExplicitMessage } from "agentrux-wire";
import { asked, type FeedSink, labelOf, type Subscription } from "./sink.ts";

/** What outlives a connection. */
export interface Resumption {
  cursor: string | undefined;
  /** Labels of which everything is known up to the cursor. */
  readonly live: Set<string>;
}

export class ExplicitTalk {
  readonly #sink: FeedSink;
  readonly #resumption: Resumption;
  readonly #send: (message: object) => void;
  /** Asked for, in order, and not answered. */
  readonly #unanswered = new Set<string>();
  /** How many snapshots are to come of each; what was asked for twice comes twice, and the last one counts. */
  readonly #snapshots = new Map<string, number>();
  #lastAnswered: string | undefined;
  #behind = false;

  constructor(sink: FeedSink, resumption: Resumption, send: (message: object) => void) {
    this.#sink = sink;
    this.#resumption = resumption;
    this.#send = send;
  }

  /** Whether the server has answered anything: it is one that speaks this. */
  get isAnswered(): boolean {
    return this.#lastAnswered !== undefined;
  }

  get isLive(): boolean {
    const waits = this.#behind || this.#unanswered.size > 0 || this.#snapshots.size > 0;
    return !waits && this.#sink.subscriptions().every(({ label }) => this.#resumption.live.has(label));
  }

  subscribe(subscription: Subscription): void {
    const { label, target, property } = subscription;
    const { cursor, live } = this.#resumption;
    const from = cursor !== undefined && live.has(label) ? { cursor } : { snapshot: true };
    if (!("cursor" in from)) this.#begin(label);
    this.#unanswered.add(label);
    this.#send({ type: "subscribe", ...asked(target), ...(property === undefined ? {} : { property }), ...from });
  }

  unsubscribe({ label, target, property }: Subscription): void {
    this.#resumption.live.delete(label);
    this.#unanswered.delete(label);
    this.#send({ type: "unsubscribe", ...asked(target), ...(property === undefined ? {} : { property }) });
  }

  /** @returns why the connection is of no use any more; undefined while it is */
  hear(message: FluxExplicitMessage): string | undefined {
    switch (message.type) {
      case "error":
        return `the server refused: ${message.error}`;
      case "pong":
      case "unsubscribed":
        return undefined;
      case "subscribed":
        this.#lastAnswered = labelOf(message.subscription);
        this.#unanswered.delete(this.#lastAnswered);
        break;
      case "snapshot":
        this.#snapshot(message);
        break;
      case "resync":
        if (message.reason === "cursor_expired") this.#begin(this.#lastAnswered ?? "");
        else this.#behind = true;
        break;
      case "synced":
        this.#behind = false;
        break;
      case "entity_update":
        this.#sink.update(message.entity_id, message.changes, message.removed, message.timestamp);
        break;
      case "entity_deleted":
        this.#sink.replace(message.entity_id, undefined, message.timestamp);
        break;
      case "entity_state":
        this.#sink.replace(message.entity.id, message.entity, message.entity.lastUpdated);
    }
    if (this.isLive) this.#resumption.cursor = message.cursor;
    return undefined;
  }

  #begin(label: string): void {
    this.#resumption.live.delete(label);
    this.#snapshots.set(label, (this.#snapshots.get(label) ?? 0) + 1);
    this.#sink.unsync(label);
  }

  #snapshot(message: Extract<FluxExplicitMessage, { type: "snapshot" }>): void {
    const label = labelOf(message.subscription);
    const expected = this.#snapshots.get(label) ?? 1;
    if (expected === 1) this.#sink.part(label, message.entities);
    if (message.more) return;
    if (expected > 1) return void this.#snapshots.set(label, expected - 1);
    this.#snapshots.delete(label);
    // What nobody wants any more is not waited for.
    if (!this.#sink.subscriptions().some((one) => one.label === label)) return;
    this.#resumption.live.add(label);
    this.#sink.whole(label);
  }
}
