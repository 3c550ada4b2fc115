/**
 * Owns `cli-token.json`: the access token the command line uses, so that ten commands in a minute cost one token. It
 * lies beside the client secret, which is worth more, and under the same mode. It belongs to one secret at one address
 * and is of no use once either changes.
 */

import { createHash } from "node:crypto";
import { rm } from "node:fs/promises";
import writeFileAtomic from "write-file-atomic";
import { z } from "zod";
import { PRIVATE_FILE_MODE } from "./private-files.ts";
import { readSmallFile } from "./read.ts";
import type { StoredCredentials } from "./schema.ts";

const fileSchema = z.object({
  /** Hash of address, id and secret. */
  belongs_to: z.string(),
  access_token: z.string().min(1),
  /** Epoch milliseconds, by this machine's clock. A clock set back makes a dead token look alive; the service says so. */
  expires_at: z.number(),
});

/** A token this close to its end is not worth the refusal. */
const MARGIN_MS = 30_000;
const MAX_LIFETIME_MS = 86_400_000;

export interface KeptTokenFile {
  load(): Promise<{ readonly accessToken: string; readonly lifetimeMs: number } | undefined>;
  save(token: { readonly accessToken: string; readonly lifetimeMs: number }): Promise<void>;
  /** Forgets it: what it may do was fixed when it was issued, and may have changed. */
  clear(): Promise<void>;
}

/** The kept token of `credentials` at `path`. `load` never throws for what lies there; `save` throws the system error. */
export function keptTokenFile(path: string, credentials: StoredCredentials, now: () => number): KeptTokenFile {
  const { baseUrl, clientId, clientSecret } = credentials;
  const belongsTo = createHash("sha256").update(`${baseUrl}\0${clientId}\0${clientSecret}`).digest("hex");
  return {
    async load() {
      try {
        const file = await readSmallFile(path);
        if (file.kind !== "file") return undefined;
        const kept = fileSchema.parse(JSON.parse(file.bytes.toString("utf8")));
        const lifetimeMs = kept.expires_at - now();
        const fits = kept.belongs_to === belongsTo && lifetimeMs > MARGIN_MS && lifetimeMs <= MAX_LIFETIME_MS;
        return fits ? { accessToken: kept.access_token, lifetimeMs } : undefined;
      } catch {
        return undefined;
      }
    },
    async save({ accessToken, lifetimeMs }) {
      const document = { belongs_to: belongsTo, access_token: accessToken, expires_at: now() + lifetimeMs };
      await writeFileAtomic(path, `${JSON.stringify(document)}\n`, { mode: PRIVATE_FILE_MODE });
    },
    clear: () => rm(path, { force: true }),
  };
}
