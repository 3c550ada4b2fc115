/**
 * Owns the signed URLs of payload objects: who holds one may do what it says until it expires, without any other proof.
 *
 * The signature covers method, object, expiry and content type, not the host: the same object may be reached by several
 * names. It is looked at before anything else, so that a request without one learns nothing about what exists.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { HubError } from "../errors.ts";
import type { Random } from "../runtime.ts";
import { writePrivateFile } from "../store/files.ts";

const KEY_BYTES = 32;

export interface UrlClaims {
  readonly method: "PUT" | "GET";
  /** Bare UUID. */
  readonly objectId: string;
  /** Epoch milliseconds; rounded up to a whole second in the URL. */
  readonly expiresAt: number;
  /** As announced when the object was created. */
  readonly contentType: string | null;
}

export interface UrlSigner {
  /** Path and query of the URL. */
  sign(claims: UrlClaims): string;
  /** @throws HubError FORBIDDEN when the signature is not ours, or the URL has expired */
  verify(claims: Omit<UrlClaims, "expiresAt">, query: { expires?: string; signature?: string }, now: number): void;
}

/** The key that signs object URLs: made on the first start, 0600 in the data folder. */
export function loadUrlKey(dataDir: string, random: Random): Uint8Array {
  const path = join(dataDir, "object-url.key");
  const known = readKey(path);
  if (known !== undefined) return known;
  const key = Buffer.from(random.bytes(KEY_BYTES));
  writePrivateFile(path, `${key.toString("base64url")}\n`);
  return key;
}

function readKey(path: string): Uint8Array | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw new HubError("DATA_FOLDER_UNUSABLE", `${path} cannot be read`, { cause: error });
  }
  const key = Buffer.from(text.trim(), "base64url");
  if (key.length !== KEY_BYTES) throw new HubError("DATA_FOLDER_UNUSABLE", `${path} does not hold a key`);
  return key;
}

export function createUrlSigner(key: Uint8Array): UrlSigner {
  const signatureOf = (claims: Omit<UrlClaims, "expiresAt">, expires: string): Buffer => {
    // A JSON array keeps the parts apart whatever they contain.
    const parts = JSON.stringify(["v1", claims.method, claims.objectId, expires, claims.contentType]);
    return createHmac("sha256", key).update(parts).digest();
  };
  return {
    sign(claims) {
      const expires = String(Math.ceil(claims.expiresAt / 1000));
      const signature = signatureOf(claims, expires).toString("base64url");
      return `/objects/${claims.objectId}?expires=${expires}&signature=${signature}`;
    },
    verify(claims, query, now) {
      const expires = query.expires ?? "";
      const expected = signatureOf(claims, expires);
      const given = Buffer.from(query.signature ?? "", "base64url");
      if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
        throw new HubError("FORBIDDEN", "The signature of this URL is not valid");
      }
      if (now >= Number(expires) * 1000) throw new HubError("FORBIDDEN", "This URL has expired");
    },
  };
}
