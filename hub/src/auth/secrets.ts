/**
 * Making and hashing secrets. Every secret here is at least 256 bits of randomness, so a plain SHA-256 is enough to
 * keep it safe at rest; a slow password hash would only make each login expensive.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import type { Random } from "../runtime.ts";

const SECRET_BYTES = 32;

/** `prefix` and 43 base64url characters. */
export function newSecret(random: Random, prefix: string): string {
  return prefix + Buffer.from(random.bytes(SECRET_BYTES)).toString("base64url");
}

/** SHA-256, base64url: the form in which secrets are stored and looked up. */
export function hashSecret(secret: string): string {
  return createHash("sha256").update(secret).digest("base64url");
}

/** Whether `secret` hashes to `hash`, in constant time. */
export function secretMatches(secret: string, hash: string): boolean {
  const actual = Buffer.from(hashSecret(secret));
  const expected = Buffer.from(hash);
  return actual.length === expected.length && timingSafeEqual(actual, expected);
}
