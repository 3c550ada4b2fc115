/** The key that signs access tokens: made once, kept in the data folder, readable by the owner only. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK } from "jose";
import type { CryptoKey, JWK } from "jose";
import { HubError } from "../errors.ts";
import { writePrivateFile } from "../store/files.ts";

export const SIGNING_ALGORITHM = "EdDSA";

export interface SigningKey {
  readonly privateKey: CryptoKey;
  readonly publicKey: CryptoKey;
  /** RFC 7638 thumbprint. */
  readonly keyId: string;
}

/**
 * Reads the key, or makes it on the first start.
 * @throws HubError DATA_FOLDER_UNUSABLE when the file is there but holds no key
 */
export async function loadSigningKey(dataDir: string): Promise<SigningKey> {
  const path = join(dataDir, "signing-key.json");
  const text = readIfPresent(path);
  if (text === undefined) {
    const pair = await generateKeyPair(SIGNING_ALGORITHM, { crv: "Ed25519", extractable: true });
    const jwk = await exportJWK(pair.privateKey);
    writePrivateFile(path, `${JSON.stringify(jwk)}\n`);
    return toSigningKey(jwk);
  }
  try {
    return await toSigningKey(JSON.parse(text) as JWK);
  } catch (cause) {
    throw new HubError("DATA_FOLDER_UNUSABLE", `${path} does not hold a signing key`, { cause });
  }
}

async function toSigningKey(jwk: JWK): Promise<SigningKey> {
  const publicJwk: JWK = { kty: jwk.kty, crv: jwk.crv, x: jwk.x };
  return {
    privateKey: await importAsymmetric(jwk),
    publicKey: await importAsymmetric(publicJwk),
    keyId: await calculateJwkThumbprint(publicJwk),
  };
}

async function importAsymmetric(jwk: JWK): Promise<CryptoKey> {
  const key = await importJWK(jwk, SIGNING_ALGORITHM);
  if (key instanceof Uint8Array) throw new TypeError("a symmetric key cannot sign with EdDSA");
  return key;
}

function readIfPresent(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}
