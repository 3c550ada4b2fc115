/**
 * Owns the calls that trade credentials for tokens: A2 to A4 and B2 of the wire spec, and the hybrid of section 3, whose
 * credentials look like generation A's but are only taken at `/oauth/token`.
 */

import {
  HYBRID_CLIENT_ID_PREFIX,
  oauthTokenResponseSchema,
  parseErrorBody,
  rotateKeyResponseASchema,
  tokenResponseASchema,
} from "agentrux-wire";
import { AgentruxError, isAgentruxError } from "../errors.ts";
import { refusal } from "./http-errors.ts";
import { labelOf, type HttpAnswer, type HttpClient, type HttpRequest } from "./http.ts";
import { checkShape, readJson } from "./json.ts";
import { accessLifetimeMs } from "./lifetime.ts";
import type { ServiceCredentials } from "./types.ts";

/** Tokens as a service issued them. */
export interface Issued {
  readonly accessToken: string;
  readonly refreshToken?: string;
  readonly lifetimeMs: number;
}

/** Why a credential no longer works, in `details.reason` of the `unauthorized` error. */
export type CredentialTrouble = "client_secret_expired" | "client_refused";

export interface TokenEndpoints {
  /** @throws AgentruxError `unauthorized` with {@link CredentialTrouble} when the secret is not taken. */
  bySecret(signal: AbortSignal): Promise<Issued>;
  byRefresh(refreshToken: string, signal: AbortSignal): Promise<Issued>;
  /** Replaces the client secret, also an expired one. The old one is dead when this resolves, and perhaps when it fails. */
  rotate(signal: AbortSignal): Promise<Issued & { readonly clientSecret: string }>;
  /** Form fields or JSON members that prove who we are, for endpoints that take them in the body (A5). */
  proof(): { readonly script_id: string; readonly client_secret: string };
}

/** An answer to a token call is small and quick, or it is none: the vendor's clients give it 10 s. */
const TOKEN_TIMEOUTS = { headersMs: 10_000, totalMs: 20_000 };
/** Tokens go into a header: visible ASCII, and no longer than servers take. */
const TOKEN_PATTERN = /^[\x21-\x7e]{1,16384}$/;

export function tokenEndpoints(http: HttpClient, credentials: ServiceCredentials): TokenEndpoints {
  let clientSecret = credentials.clientSecret;
  let hybrid = false;

  const proof = () => ({ script_id: credentials.clientId, client_secret: clientSecret });
  const json = (path: string, body: object, secrets: string[], signal: AbortSignal): HttpRequest => ({
    method: "POST",
    path,
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
    secrets,
    signal,
    timeouts: TOKEN_TIMEOUTS,
  });

  async function byJsonSecret(signal: AbortSignal): Promise<Issued> {
    const request = json("/auth/token", proof(), [clientSecret], signal);
    const answer = await http.send(request);
    if (answer.status === 404) return await byHybridForm(signal);
    if (answer.status >= 300) throw credentialRefusal(answer, request);
    return issuedA(answer, request);
  }

  /**
   * The hybrid era took `/auth/token` away and left everything else as it was. Only a token proves that this is such a
   * service: a proxy's 404 there and its refusal here look the same, and would keep us from `/auth/token` for good.
   */
  async function byHybridForm(signal: AbortSignal): Promise<Issued> {
    try {
      const issued = await byForm(HYBRID_CLIENT_ID_PREFIX + credentials.clientId, signal);
      hybrid = true;
      return issued;
    } catch (error) {
      if (isAgentruxError(error) && error.status === 404) hybrid = false;
      throw error;
    }
  }

  async function byForm(clientId: string, signal: AbortSignal): Promise<Issued> {
    const form = new URLSearchParams({
      grant_type: "client_credentials",
      client_id: clientId,
      client_secret: clientSecret,
    });
    const request: HttpRequest = {
      method: "POST",
      path: "/oauth/token",
      headers: { "content-type": "application/x-www-form-urlencoded" },
      body: form.toString(),
      secrets: [clientSecret],
      signal,
      timeouts: TOKEN_TIMEOUTS,
    };
    const answer = await http.send(request);
    if (answer.status >= 300) throw credentialRefusal(answer, request);
    const body = checkShape(oauthTokenResponseSchema, readJson(answer, labelOf(request)));
    return issued(answer, request, { token: body.access_token, expiresIn: body.expires_in });
  }

  return {
    proof,
    bySecret(signal) {
      if (credentials.generation === "b") return byForm(credentials.clientId, signal);
      return hybrid ? byHybridForm(signal) : byJsonSecret(signal);
    },
    async byRefresh(refreshToken, signal) {
      const request = json("/auth/refresh", { refresh_token: refreshToken }, [refreshToken], signal);
      return issuedA(await http.sendOk(request), request);
    },
    async rotate(signal) {
      const request = json("/auth/rotate-key", proof(), [clientSecret], signal);
      const answer = await http.send(request);
      if (answer.status >= 300) throw credentialRefusal(answer, request);
      const body = checkShape(rotateKeyResponseASchema, readJson(answer, labelOf(request)));
      clientSecret = body.client_secret;
      return { ...issuedA(answer, request), clientSecret };
    },
  };
}

function issuedA(answer: HttpAnswer, request: HttpRequest): Issued {
  const body = checkShape(tokenResponseASchema, readJson(answer, labelOf(request)));
  return issued(answer, request, {
    token: body.access_token,
    refreshToken: body.refresh_token,
    expiresAt: body.expires_at,
  });
}

interface TokenFields {
  readonly token: string;
  readonly refreshToken?: string | null | undefined;
  readonly expiresIn?: number | null | undefined;
  readonly expiresAt?: string | number | null | undefined;
}

function issued(answer: HttpAnswer, request: HttpRequest, fields: TokenFields): Issued {
  if (!TOKEN_PATTERN.test(fields.token)) {
    throw new AgentruxError("malformed_response", `${labelOf(request)}: the access token cannot stand in a header`, {
      kind: "unknown",
      retryable: true,
    });
  }
  return {
    accessToken: fields.token,
    ...(fields.refreshToken ? { refreshToken: fields.refreshToken } : {}),
    lifetimeMs: accessLifetimeMs({
      accessToken: fields.token,
      expiresIn: fields.expiresIn,
      expiresAt: fields.expiresAt,
      serverTimeMs: answer.serverTimeMs,
    }),
  };
}

const WHAT_TO_DO =
  "Issue a new activation code in the Console and put it into BOOTSTRAP.md, or rotate the key while it still can be";

/** A refusal of the secret itself is told apart from all others, with what to do (W22). */
function credentialRefusal(answer: HttpAnswer, request: HttpRequest): AgentruxError {
  const error = refusal(answer, labelOf(request), request.secrets);
  const body = parseErrorBody(answer.status, answer.contentType, answer.text);
  const oauthRefusal = body.code === "invalid_client" || body.code === "unauthorized_client";
  if (answer.status !== 401 && !(answer.status === 400 && oauthRefusal)) return error;
  const expired = /expired/i.test(`${body.code ?? ""} ${body.message}`);
  const reason: CredentialTrouble = expired ? "client_secret_expired" : "client_refused";
  const what = expired
    ? "The client secret has expired (secrets live 90 days)"
    : "The service does not take this client secret: it was replaced, revoked, or belongs to another service";
  return new AgentruxError("unauthorized", `${what}. ${WHAT_TO_DO}.`, {
    kind: "refused",
    status: answer.status,
    ...(error.serviceCode === undefined ? {} : { serviceCode: error.serviceCode }),
    ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }),
    details: { reason },
    cause: error,
  });
}
