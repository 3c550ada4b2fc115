/** Owns the scripted model: an OpenAI-compatible chat-completions server on loopback, the stand-in for a language model. */

import { EventEmitter, once } from "node:events";
import http from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { type ChatMessage, currentTurn, readMessages, readToolNames } from "./model-prompt.ts";
import { type ScriptedAnswer, scriptedAnswer } from "./model-script.ts";

/** The id under which the scripted model is listed. */
export const SCRIPTED_MODEL_ID = "scripted-1";

const MAX_BODY_BYTES = 32 * 1024 * 1024;
const MAX_RECORDED_REQUESTS = 500;
const TEXT_CHUNK_CHARS = 40;
const USAGE = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };

/** One completion request, as the model was shown it. */
export interface ModelRequest {
  /** The requester's words. */
  readonly text: string;
  readonly messages: readonly ChatMessage[];
  readonly toolNames: readonly string[];
}

/** A running scripted model. */
export interface ScriptedModel {
  /** Base URL of the OpenAI-compatible API, ending in `/v1`. */
  readonly baseUrl: string;
  readonly port: number;
  /** The newest 500 completion requests, oldest first. */
  readonly requests: readonly ModelRequest[];
  /** Lets answers that hold under this name go, also those that are yet to come. */
  release(name: string): void;
  /** Cuts off waiting answers and stops listening. */
  close(): Promise<void>;
}

/**
 * Starts the model on loopback.
 *
 * @param options.port 0, the default, takes a free port.
 * @throws the listen error, such as `EADDRINUSE`.
 */
export async function startScriptedModel(options: { readonly port?: number } = {}): Promise<ScriptedModel> {
  const requests: ModelRequest[] = [];
  const holds = new Holds();
  let answered = 0;
  const server = http.createServer((req, res) => {
    void handle(req, res).catch(() => res.destroy());
  });

  async function handle(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const path = new URL(req.url ?? "/", "http://model").pathname;
    if (req.method === "GET" && path === "/v1/models") {
      return sendJson(res, 200, { object: "list", data: [{ id: SCRIPTED_MODEL_ID, object: "model" }] });
    }
    if (req.method !== "POST" || path !== "/v1/chat/completions") {
      return sendJson(res, 404, { error: { message: `no ${req.method} ${path} here` } });
    }
    const body = await readJson(req);
    if (body === undefined) return sendJson(res, 400, { error: { message: "the body is not JSON, or too large" } });
    const messages = readMessages(body);
    const turn = currentTurn(messages);
    requests.push({ text: turn.text, messages, toolNames: readToolNames(body) });
    if (requests.length > MAX_RECORDED_REQUESTS) requests.shift();
    answered += 1;
    const answer = scriptedAnswer(turn);
    if (await waitUnlessClosed(res, answer, holds)) sendAnswer(res, answer, wantsStream(body), answered);
  }

  server.listen(options.port ?? 0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the model has no TCP address");
  return {
    baseUrl: `http://127.0.0.1:${address.port}/v1`,
    port: address.port,
    requests,
    release: (name) => holds.release(name),
    close: async () => {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

function wantsStream(body: unknown): boolean {
  return typeof body === "object" && body !== null && "stream" in body && body.stream === true;
}

async function readJson(req: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of req as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) return undefined;
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString("utf8")) as unknown;
  } catch {
    return undefined;
  }
}

function sendJson(res: ServerResponse, status: number, value: unknown): void {
  res.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
}

function sendAnswer(res: ServerResponse, answer: ScriptedAnswer, stream: boolean, n: number): void {
  if (answer.reply.kind === "error") {
    return sendJson(res, answer.reply.status, { error: { message: answer.reply.message } });
  }
  const head = { id: `chatcmpl-${n}`, created: Math.floor(Date.now() / 1000), model: SCRIPTED_MODEL_ID };
  const call =
    answer.reply.kind === "tool"
      ? { id: `call_${n}`, type: "function", function: callOf(answer.reply.name, answer.reply.argumentsJson) }
      : undefined;
  const text = answer.reply.kind === "text" ? answer.reply.text : null;
  const finishReason = call === undefined ? "stop" : "tool_calls";
  if (!stream) {
    const message = { role: "assistant", content: text, ...(call === undefined ? {} : { tool_calls: [call] }) };
    const choices = [{ index: 0, finish_reason: finishReason, message }];
    return sendJson(res, 200, { ...head, object: "chat.completion", choices, usage: USAGE });
  }
  res.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache" });
  const chunk = (value: object): void => {
    res.write(`data: ${JSON.stringify({ ...head, object: "chat.completion.chunk", ...value })}\n\n`);
  };
  const delta = (value: object, reason: string | null = null): void => {
    chunk({ choices: [{ index: 0, delta: value, finish_reason: reason }] });
  };
  if (call === undefined) {
    delta({ role: "assistant", content: "" });
    for (const piece of pieces(text ?? "")) delta({ content: piece });
  } else {
    delta({ role: "assistant", tool_calls: [{ index: 0, ...call, function: callOf(call.function.name, "") }] });
    delta({ tool_calls: [{ index: 0, function: { arguments: call.function.arguments } }] });
  }
  delta({}, finishReason);
  chunk({ choices: [], usage: USAGE });
  res.end("data: [DONE]\n\n");
}

function callOf(name: string, argumentsJson: string): { name: string; arguments: string } {
  return { name, arguments: argumentsJson };
}

/** Cuts text into pieces by code point, so that no piece ends inside a character. */
function pieces(text: string): readonly string[] {
  const points = Array.from(text);
  const count = Math.ceil(points.length / TEXT_CHUNK_CHARS);
  return Array.from({ length: count }, (_, i) =>
    points.slice(i * TEXT_CHUNK_CHARS, (i + 1) * TEXT_CHUNK_CHARS).join(""),
  );
}

/** Names that have been released, and who waits for the others. */
class Holds {
  readonly #released = new Set<string>();
  readonly #releases = new EventEmitter().setMaxListeners(0);

  release(name: string): void {
    this.#released.add(name);
    this.#releases.emit(name);
  }

  async wait(name: string, signal: AbortSignal): Promise<void> {
    if (!this.#released.has(name)) await once(this.#releases, name, { signal });
  }
}

/** Waits as the script says. False when the caller hung up meanwhile; nothing may be written then. */
async function waitUnlessClosed(res: ServerResponse, answer: ScriptedAnswer, holds: Holds): Promise<boolean> {
  if (res.destroyed) return false;
  const hungUp = new AbortController();
  const onClose = (): void => hungUp.abort();
  res.once("close", onClose);
  try {
    if (answer.delayMs > 0) await sleep(answer.delayMs, undefined, { signal: hungUp.signal });
    if (answer.hold !== undefined) await holds.wait(answer.hold, hungUp.signal);
    return true;
  } catch {
    return false;
  } finally {
    res.off("close", onClose);
  }
}
