/**
 * Access tokens: signed JWTs whose `scope` claim lists one entry per topic and action (wire spec 9.2 rule 10).
 *
 * Verified tokens are remembered, because checking a signature costs more than a publish. Only the signature and the
 * claims are remembered: expiry is looked at on every call, and what a script may do is never taken from here alone.
 */
import { scopeEntry } from "agentrux-wire";
import { SignJWT, jwtVerify } from "jose";
import type { Clock } from "../runtime.ts";
import type { Generation, Grant } from "../store/port.ts";
import { SIGNING_ALGORITHM } from "./signing-key.ts";
import type { SigningKey } from "./signing-key.ts";

/** Generation B's access tokens carry it; it is no part of the JWT. */
const TOKEN_PREFIX_B = "aat_";
const MAX_REMEMBERED = 10_000;
const MAX_TOKEN_LENGTH = 64 * 1024;

export interface AccessTokenClaims {
  readonly scriptId: string;
  readonly credentialId: string;
  readonly scope: ReadonlySet<string>;
  /** Epoch milliseconds. */
  readonly expiresAt: number;
}

export interface IssueAccessToken {
  readonly scriptId: string;
  readonly credentialId: string;
  readonly generation: Generation;
  readonly grants: readonly Grant[];
  readonly ttlMs: number;
}

export interface IssuedAccessToken {
  readonly token: string;
  readonly scope: readonly string[];
  /** Epoch milliseconds, on a whole second. */
  readonly expiresAt: number;
}

export class AccessTokens {
  readonly #key: SigningKey;
  readonly #clock: Clock;
  readonly #remembered = new Map<string, AccessTokenClaims>();

  constructor(key: SigningKey, clock: Clock) {
    this.#key = key;
    this.#clock = clock;
  }

  async issue(request: IssueAccessToken): Promise<IssuedAccessToken> {
    const issuedAtS = Math.floor(this.#clock.now() / 1000);
    const expiresAtS = issuedAtS + Math.ceil(request.ttlMs / 1000);
    const scope = request.grants.map((grant) => scopeEntry(grant.topicId, grant.action));
    const jwt = await new SignJWT({ scope, cid: request.credentialId })
      .setProtectedHeader({ alg: SIGNING_ALGORITHM, typ: "JWT", kid: this.#key.keyId })
      .setSubject(request.scriptId)
      .setIssuedAt(issuedAtS)
      .setExpirationTime(expiresAtS)
      .sign(this.#key.privateKey);
    return {
      token: request.generation === "b" ? TOKEN_PREFIX_B + jwt : jwt,
      scope,
      expiresAt: expiresAtS * 1000,
    };
  }

  /** The claims of a token that is genuine and not expired, else `undefined`. */
  async verify(token: string): Promise<AccessTokenClaims | undefined> {
    const claims = this.#remembered.get(token) ?? (await this.#check(token));
    if (claims === undefined) return undefined;
    if (claims.expiresAt <= this.#clock.now()) {
      this.#remembered.delete(token);
      return undefined;
    }
    return claims;
  }

  async #check(token: string): Promise<AccessTokenClaims | undefined> {
    if (token.length > MAX_TOKEN_LENGTH) return undefined;
    const jwt = token.startsWith(TOKEN_PREFIX_B) ? token.slice(TOKEN_PREFIX_B.length) : token;
    const claims = await this.#signedClaims(jwt);
    if (claims === undefined) return undefined;
    if (this.#remembered.size >= MAX_REMEMBERED) this.#forgetOldest();
    this.#remembered.set(token, claims);
    return claims;
  }

  async #signedClaims(jwt: string): Promise<AccessTokenClaims | undefined> {
    try {
      const { payload } = await jwtVerify(jwt, this.#key.publicKey, {
        algorithms: [SIGNING_ALGORITHM],
        currentDate: new Date(this.#clock.now()),
      });
      const { sub, exp, cid, scope } = payload;
      if (typeof sub !== "string" || typeof exp !== "number" || typeof cid !== "string") return undefined;
      const entries = Array.isArray(scope) ? scope.filter((entry) => typeof entry === "string") : [];
      return { scriptId: sub, credentialId: cid, scope: new Set(entries), expiresAt: exp * 1000 };
    } catch {
      // Every way in which a token can be wrong has the same answer.
      return undefined;
    }
  }

  #forgetOldest(): void {
    const oldest = this.#remembered.keys().next();
    if (oldest.done !== true) this.#remembered.delete(oldest.value);
  }
}
