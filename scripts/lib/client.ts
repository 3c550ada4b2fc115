/**
 * Owns a small AgenTrux client (generation A): the requester's side of the main job and of the end-to-end tests. It
 * activates a code, publishes commands, and waits for replies by hint and pull. Standard library only.
 */

import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { hints } from "./client-hints.ts";
import { arrayField, Refused, requestJson, stringField } from "./client-http.ts";
import { type ClientEvent, readEvent, type Reply, ReplyReader } from "./client-replies.ts";

/** A token is renewed this long before it ends, or after three quarters of a shorter life. */
const TOKEN_MARGIN_MS = 60_000;
const PULL_LIMIT = 100;
/** How long to wait for a hint before pulling all the same. */
const HINT_WAIT_MS = 2_000;
const STREAM_RETRY_MS = 1_000;

/** What an activation code was exchanged for, and the token in use. Secret: keep in a 0600 file. */
export interface ClientCredentials {
  readonly baseUrl: string;
  readonly scriptId: string;
  readonly clientSecret: string;
  readonly accessToken?: string;
  /** When to get a new token, in milliseconds since the epoch. */
  readonly renewAt?: number;
}

/** A command to publish. */
export interface CommandInput {
  readonly message: string;
  readonly conversationKey?: string;
  readonly requestId?: string;
  /** Agents the request has passed through. */
  readonly hops?: number;
}

/** Exchanges a single-use activation code for credentials. */
export async function activate(baseUrl: string, activationCode: string): Promise<ClientCredentials> {
  const body = await requestJson(`${baseUrl}/auth/activate`, { json: { activation_code: activationCode } });
  return { baseUrl, scriptId: stringField(body, "script_id"), clientSecret: stringField(body, "client_secret") };
}

/** A script's connection to the service. */
export class AgentruxClient {
  #credentials: ClientCredentials;
  #tokenFlight: Promise<string> | undefined;

  constructor(credentials: ClientCredentials) {
    this.#credentials = credentials;
  }

  /** The credentials with the newest token, to be kept for the next time. */
  get credentials(): ClientCredentials {
    return this.#credentials;
  }

  /** An access token that is not about to end. */
  token(): Promise<string> {
    const { accessToken, renewAt } = this.#credentials;
    if (accessToken !== undefined && renewAt !== undefined && Date.now() < renewAt) return Promise.resolve(accessToken);
    this.#tokenFlight ??= this.#fetchToken().finally(() => (this.#tokenFlight = undefined));
    return this.#tokenFlight;
  }

  async #fetchToken(): Promise<string> {
    const { baseUrl, scriptId, clientSecret } = this.#credentials;
    const body = await requestJson(`${baseUrl}/auth/token`, {
      json: { script_id: scriptId, client_secret: clientSecret },
    });
    const accessToken = stringField(body, "access_token");
    const lifeMs = Date.parse(stringField(body, "expires_at")) - Date.now();
    const renewAt = Date.now() + Math.max(lifeMs - TOKEN_MARGIN_MS, lifeMs * 0.75);
    this.#credentials = { baseUrl, scriptId, clientSecret, accessToken, renewAt };
    return accessToken;
  }

  /** One authorised call; a token the service no longer takes is replaced once. */
  async #call(path: string, json?: unknown): Promise<unknown> {
    const url = this.#credentials.baseUrl + path;
    const token = await this.token();
    try {
      return await requestJson(url, { token, json });
    } catch (error) {
      if (!(error instanceof Refused && error.status === 401)) throw error;
      if (this.#credentials.accessToken === token) this.#credentials = { ...this.#credentials, renewAt: 0 };
      return requestJson(url, { token: await this.token(), json });
    }
  }

  /** Publishes an event of any type. Returns its id. */
  async publish(topicId: string, type: string, payload: Readonly<Record<string, unknown>>): Promise<string> {
    return stringField(await this.#call(`/topics/${topicId}/events`, { type, payload }), "event_id");
  }

  /** Publishes a command. Returns the request id under which its reply will come. */
  async publishCommand(topicId: string, command: CommandInput): Promise<string> {
    const requestId = command.requestId ?? `req-${randomUUID()}`;
    await this.publish(topicId, "openclaw.request", {
      request_id: requestId,
      message: command.message,
      ...(command.conversationKey === undefined ? {} : { conversation_key: command.conversationKey }),
      ...(command.hops === undefined ? {} : { trace: { id: requestId, hops: command.hops } }),
    });
    return requestId;
  }

  /** Sequence number of the newest event; 0 when the topic is empty. */
  async newest(topicId: string): Promise<number> {
    const events = await this.#pull(topicId, "limit=1");
    return Math.max(0, ...events.map((event) => event.sequence));
  }

  /** All events after a sequence number, oldest first. */
  async eventsAfter(topicId: string, after: number): Promise<readonly ClientEvent[]> {
    const all: ClientEvent[] = [];
    for (let position = after; ;) {
      const page = await this.#pull(topicId, `after_sequence_no=${position}&limit=${PULL_LIMIT}`);
      const last = page.at(-1);
      if (last === undefined) return all;
      all.push(...page);
      position = last.sequence;
    }
  }

  async #pull(topicId: string, query: string): Promise<readonly ClientEvent[]> {
    const items = arrayField(await this.#call(`/topics/${topicId}/events?${query}`), "items");
    return items.map(readEvent).toSorted((a, b) => a.sequence - b.sequence);
  }

  /**
   * Publishes a command and waits for its reply.
   *
   * @throws when no reply came within `timeoutMs`.
   */
  async ask(
    topics: { readonly commandTopicId: string; readonly resultTopicId: string },
    command: CommandInput,
    timeoutMs: number,
  ): Promise<Reply> {
    const after = await this.newest(topics.resultTopicId);
    const requestId = await this.publishCommand(topics.commandTopicId, command);
    return this.awaitReply(topics.resultTopicId, requestId, after, timeoutMs);
  }

  /** Waits for the reply to a published command, looking at results after `after`. Outlasts a restart of the service. */
  async awaitReply(resultTopicId: string, requestId: string, after: number, timeoutMs: number): Promise<Reply> {
    const done = new AbortController();
    const deadline = AbortSignal.timeout(timeoutMs);
    const wakeUps = new WakeUps();
    const reader = new ReplyReader();
    const listening = this.#listen(resultTopicId, after, wakeUps, AbortSignal.any([done.signal, deadline]));
    try {
      for (let position = after; !deadline.aborted;) {
        for (const event of await this.#eventsOrNone(resultTopicId, position)) {
          position = event.sequence;
          const reply = reader.take(event);
          if (reply?.requestId === requestId) return reply;
        }
        await wakeUps.next(HINT_WAIT_MS, deadline);
      }
      throw new Error(`no reply to ${requestId} within ${Math.round(timeoutMs / 1000)} s`);
    } finally {
      done.abort();
      await listening;
    }
  }

  async #eventsOrNone(topicId: string, after: number): Promise<readonly ClientEvent[]> {
    try {
      return await this.eventsAfter(topicId, after);
    } catch (error) {
      if (error instanceof Refused && error.status < 500) throw error;
      return [];
    }
  }

  /** Turns hints into wake-ups until `signal` aborts. A stream that fails is opened again; meanwhile the clock does. */
  async #listen(topicId: string, after: number, wakeUps: WakeUps, signal: AbortSignal): Promise<void> {
    const url = `${this.#credentials.baseUrl}/topics/${topicId}/events/stream?after_sequence_no=${after}`;
    while (!signal.aborted) {
      try {
        for await (const _hint of hints(url, await this.token(), signal)) wakeUps.wake();
      } catch {
        // Said by the pull, if it matters.
      }
      await sleep(STREAM_RETRY_MS, undefined, { signal }).catch(() => undefined);
    }
  }
}

/** Remembers a wake-up that comes while nobody waits. */
class WakeUps {
  #pending = false;
  #wake: (() => void) | undefined;

  wake(): void {
    this.#pending = true;
    this.#wake?.();
  }

  async next(maxMs: number, signal: AbortSignal): Promise<void> {
    if (!this.#pending && !signal.aborted) {
      const timer = new AbortController();
      this.#wake = () => timer.abort();
      await sleep(maxMs, undefined, { signal: AbortSignal.any([timer.signal, signal]) }).catch(() => undefined);
      this.#wake = undefined;
    }
    this.#pending = false;
  }
}
