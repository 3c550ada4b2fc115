/** Owns the service client: the rooms of this folder put together for one credential. */

import { AgentruxError } from "../errors.ts";
import { redeemInviteResponseASchema } from "agentrux-wire";
import { authorisedHttp, jsonBody } from "./authorised.ts";
import { systemClock, systemSleep, type Clock, type Random, type Sleep } from "./clock.ts";
import { dialectA } from "./dialects/a.ts";
import { dialectB } from "./dialects/b.ts";
import { createPull, publish } from "./events.ts";
import { createHttpClient, labelOf, type HttpClientOptions, type HttpRequest } from "./http.ts";
import { checkShape, readJson } from "./json.ts";
import { type TokenKeeper, withKeptTokens } from "./kept-tokens.ts";
import { createObject, objectInfo } from "./payloads.ts";
import { keepStream, STREAM_LIMITS, type StreamLimits } from "./stream.ts";
import { tokenEndpoints } from "./token-endpoints.ts";
import { createTokenClient, SECRET_CALLS_PER_HOUR } from "./tokens.ts";
import { topicsByList, topicsByScope } from "./topics.ts";
import type { ServiceClient, ServiceCredentials } from "./types.ts";

export interface ServiceClientOptions extends Omit<HttpClientOptions, "baseUrl"> {
  readonly random?: Random;
  readonly sleep?: Sleep;
  readonly stream?: Partial<StreamLimits>;
  /** Calls to `/auth/token` allowed in an hour (generation A). */
  readonly secretCallsPerHour?: number;
  /** Keeps access tokens for the next process. Not for a gateway, which lives long enough to own its own. */
  readonly tokenKeeper?: TokenKeeper;
}

/** The service client with what concerns the credential itself. */
export interface CredentialedClient extends ServiceClient {
  /**
   * Replaces the client secret (generation A), also an expired one. The answer must be saved before anything else: the
   * old secret is dead. When this fails with an `unknown` outcome, it may be dead all the same.
   *
   * @throws AgentruxError `invalid` in generation B, whose secrets are replaced in the Console.
   */
  rotateSecret(signal: AbortSignal): Promise<string>;
  /**
   * Redeems an invite code (generation A) and has the access token renewed by the next call, since scopes are fixed at issue.
   *
   * @throws AgentruxError `conflict` when it was redeemed before, `invalid` in generation B (wire spec B11).
   */
  redeemInvite(inviteCode: string, signal: AbortSignal): Promise<{ readonly topicId: string; readonly action: string }>;
}

/**
 * The AgenTrux service for one credential. Nothing is sent before the first call.
 *
 * @throws AgentruxError `config` or `insecure_url` for a base URL that must not be used.
 *
 * @example
 * const client = createServiceClient(credentials);
 * const page = await client.pull({ topicId, after: "", limit: 100, signal });
 * await client.close();
 */
export function createServiceClient(
  credentials: ServiceCredentials,
  options: ServiceClientOptions = {},
): CredentialedClient {
  const clock: Clock = options.clock ?? systemClock;
  const random = options.random ?? Math.random;
  const generationA = credentials.generation === "a";
  const dialect = generationA ? dialectA : dialectB;
  const http = createHttpClient({ ...options, baseUrl: credentials.baseUrl, clock });
  const endpoints = tokenEndpoints(http, credentials);
  const { tokenKeeper } = options;
  const tokens = createTokenClient({
    endpoints: tokenKeeper === undefined ? endpoints : withKeptTokens(endpoints, tokenKeeper),
    clock,
    random,
    ...(generationA ? { secretCallsPerHour: options.secretCallsPerHour ?? SECRET_CALLS_PER_HOUR } : {}),
  });
  const authorised = authorisedHttp(http, tokens);
  const streamPorts = {
    http,
    tokens,
    dialect,
    clock,
    random,
    sleep: options.sleep ?? systemSleep,
    limits: { ...STREAM_LIMITS, ...options.stream },
  };

  const closing = new AbortController();

  return {
    generation: credentials.generation,
    pull: createPull(authorised, dialect),
    publish: (request) => publish(authorised, dialect, request),
    stream: (request) =>
      keepStream(streamPorts, { ...request, signal: AbortSignal.any([request.signal, closing.signal]) }),
    topics: (signal) => (generationA ? topicsByScope(tokens, signal) : topicsByList(authorised, signal)),
    createObject: (request) => createObject(authorised, http, dialect, request),
    objectInfo: (request) => objectInfo(authorised, dialect, request),
    async probe(signal) {
      await tokens.get(signal);
    },
    async rotateSecret(signal) {
      if (!generationA) throw new AgentruxError("invalid", "Secrets of this generation are replaced in the Console");
      return await tokens.rotate(signal);
    },
    async redeemInvite(inviteCode, signal) {
      if (!generationA) {
        throw new AgentruxError("invalid", "Invite codes of this generation are redeemed by a signed-in Console user");
      }
      const proof = endpoints.proof();
      const request: HttpRequest = {
        method: "POST",
        path: "/auth/redeem-invite-code",
        ...jsonBody({ invite_code: inviteCode, ...proof }),
        secrets: [inviteCode, proof.client_secret],
        signal,
      };
      const answer = await http.sendOk(request);
      const grant = checkShape(redeemInviteResponseASchema, readJson(answer, labelOf(request)));
      await tokens.forget(signal);
      return { topicId: grant.topic_id, action: grant.action };
    },
    async close() {
      closing.abort();
      tokens.close();
      await http.close();
    },
  };
}
