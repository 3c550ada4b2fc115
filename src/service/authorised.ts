/** Owns calls made with an access token: a rejected token is replaced and the call repeated, once. */

import { refusal } from "./http-errors.ts";
import { labelOf, type HttpAnswer, type HttpClient, type HttpRequest } from "./http.ts";
import { readJson } from "./json.ts";
import type { TokenClient } from "./tokens.ts";

export interface AuthorisedHttp {
  /** Sends with a Bearer token. @throws AgentruxError for every answer of 300 and more, and as `HttpClient.send` does. */
  send(request: HttpRequest): Promise<HttpAnswer>;
  /** {@link AuthorisedHttp.send}, and the JSON of the answer. */
  json(request: HttpRequest): Promise<{ readonly answer: HttpAnswer; readonly document: unknown }>;
}

export function authorisedHttp(http: HttpClient, tokens: TokenClient): AuthorisedHttp {
  async function once(request: HttpRequest): Promise<{ answer: HttpAnswer; token: string }> {
    const token = await tokens.get(request.signal);
    const answer = await http.send({ ...request, headers: { ...request.headers, authorization: `Bearer ${token}` } });
    if (answer.status === 401) tokens.invalidate(token);
    return { answer, token };
  }

  async function send(request: HttpRequest): Promise<HttpAnswer> {
    const first = await once(request);
    const { answer, token } = first.answer.status === 401 ? await once(request) : first;
    if (answer.status >= 300) throw refusal(answer, labelOf(request), [token]);
    return answer;
  }

  return {
    send,
    async json(request) {
      const answer = await send(request);
      return { answer, document: readJson(answer, labelOf(request)) };
    },
  };
}

/** The parts of a request that carry `body` as JSON. */
export function jsonBody(body: unknown): {
  readonly headers: { readonly "content-type": string };
  readonly body: string;
} {
  return { headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
}
