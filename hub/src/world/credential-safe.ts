/**
 * Owns the encryption of connector credentials at rest: AES-256-GCM, a fresh nonce each, bound to whose and which it is, so
 * that a row copied to another place in the database does not open. The key lies beside the database, for its owner only.
 */
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { HubError } from "../errors.ts";
import { writePrivateFile } from "../store/files.ts";

const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

export class CredentialSafe {
  readonly #path: string;
  #key: Buffer | undefined;

  /** @param path of the key; it is made with the first credential */
  constructor(path: string) {
    this.#path = path;
  }

  /** Nonce, ciphertext and tag. */
  seal(secret: string, owner: string, connector: string): Uint8Array {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv("aes-256-gcm", this.#keyForWriting(), nonce);
    cipher.setAAD(label(owner, connector));
    return Buffer.concat([nonce, cipher.update(secret, "utf8"), cipher.final(), cipher.getAuthTag()]);
  }

  /** @throws HubError INTERNAL when it was sealed for another owner or connector, with another key, or was changed */
  unseal(sealed: Uint8Array, owner: string, connector: string): string {
    const bytes = Buffer.from(sealed);
    try {
      const decipher = createDecipheriv("aes-256-gcm", this.#keyForWriting(), bytes.subarray(0, NONCE_BYTES));
      decipher.setAAD(label(owner, connector));
      decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
      const opened = decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES));
      return Buffer.concat([opened, decipher.final()]).toString("utf8");
    } catch (cause) {
      throw new HubError("INTERNAL", `The credential of ${connector} does not open`, { cause });
    }
  }

  #keyForWriting(): Buffer {
    this.#key ??= readKey(this.#path);
    if (this.#key === undefined) {
      this.#key = randomBytes(KEY_BYTES);
      writePrivateFile(this.#path, `${this.#key.toString("base64")}\n`);
    }
    return this.#key;
  }
}

function readKey(path: string): Buffer | undefined {
  try {
    const key = Buffer.from(readFileSync(path, "utf8").trim(), "base64");
    if (key.length === KEY_BYTES) return key;
    throw new HubError("DATA_FOLDER_UNUSABLE", `${path} does not hold a key of ${KEY_BYTES} bytes`);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

function label(owner: string, connector: string): Buffer {
  return Buffer.from(`${owner}\0${connector}`);
}
