/**
 * A service whose topic holds whatever a test puts there and whose answers fail in whatever way a test says, behind the
 * client's own rooms: the same code reads status, body, page and events as over a socket.
 */

import { authorisedHttp } from "../../../src/service/authorised.ts";
import { dialectA } from "../../../src/service/dialects/a.ts";
import { dialectB } from "../../../src/service/dialects/b.ts";
import { createPull } from "../../../src/service/events.ts";
import { refusal } from "../../../src/service/http-errors.ts";
import { type HttpAnswer, type HttpClient, labelOf } from "../../../src/service/http.ts";
import { retryAfterMs } from "../../../src/service/retry-after.ts";
import type { TokenClient } from "../../../src/service/tokens.ts";
import type { Generation, ServiceClient } from "../../../src/service/types.ts";
import type { HostileAnswer } from "./hostile.ts";

/** Tokens that always work. */
export const FREE_TOKENS: TokenClient = {
  get: () => Promise.resolve("token"),
  invalidate: () => true,
  forget: () => Promise.resolve(),
  rotate: () => Promise.resolve("secret"),
  close: () => undefined,
};

/** An answer as the HTTP client hands it on. */
export function answerOf({ status, contentType, text, retryAfter }: HostileAnswer): HttpAnswer {
  return {
    status,
    contentType,
    text,
    retryAfterMs: retryAfterMs(retryAfter, 0),
    serverTimeMs: undefined,
    header: () => undefined,
  };
}

/** An HTTP client whose every request is answered by `answer`. */
export function httpOver(answer: (path: string) => HostileAnswer): HttpClient {
  const unused = (): never => {
    throw new Error("not used here");
  };
  const send: HttpClient["send"] = ({ path }) => Promise.resolve(answerOf(answer(path)));
  return {
    baseUrl: "http://127.0.0.1",
    send,
    async sendOk(request) {
      const got = await send(request);
      if (got.status >= 300) throw refusal(got, labelOf(request), request.secrets);
      return got;
    },
    open: unused,
    close: () => Promise.resolve(),
  };
}

/** Positions count from 1: an item's place in the topic. */
export interface FuzzedTopic {
  readonly generation: Generation;
  /** The items as JSON, in order. */
  readonly items: readonly string[];
  /** Answers that come in place of pages, one for every third request. */
  readonly failures: readonly HostileAnswer[];
}

export function clientOf(
  topic: FuzzedTopic,
): Pick<ServiceClient, "pull" | "stream"> & { readonly failed: () => number } {
  let requests = 0;
  let failed = 0;
  const http = httpOver((path) => {
    requests += 1;
    const failure = requests % 3 === 0 ? topic.failures[failed] : undefined;
    if (failure === undefined) {
      return { status: 200, contentType: "application/json", text: pageOf(topic, path), retryAfter: undefined };
    }
    failed += 1;
    return failure;
  });
  const authorised = authorisedHttp(http, FREE_TOKENS);
  const dialect = topic.generation === "a" ? dialectA : dialectB;
  return {
    failed: () => failed,
    pull: createPull(authorised, dialect),
    stream: ({ signal, onOpen }) =>
      new Promise((resolve) => {
        onOpen();
        signal.addEventListener("abort", () => resolve(), { once: true });
      }),
  };
}

function pageOf({ generation, items }: FuzzedTopic, path: string): string {
  const query = new URL(path, "http://127.0.0.1").searchParams;
  const after = Number((query.get(generation === "a" ? "after_sequence_no" : "after") ?? "0").replace(/^c/, ""));
  const page = items.slice(after, after + Number(query.get("limit")));
  if (generation === "a") return `{"items":[${page.join(",")}],"next_cursor":null}`;
  return `{"events":[${page.join(",")}],"next":{"after":"c${after + page.length}","has_more":true}}`;
}
