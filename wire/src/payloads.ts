/** Owns payload objects: A12 and B10 of the wire spec. */
import { z } from "zod";

const CHECKSUM_HEX = /^[0-9a-f]{64}$/i;
const CHECKSUM_BASE64 = /^[A-Za-z0-9+/]{43}=$/;

/** A SHA-256 as hex (64 characters) or base64 (44 characters). */
export const sha256Schema = z
  .string()
  .refine((text) => CHECKSUM_HEX.test(text) || CHECKSUM_BASE64.test(text), "must be a SHA-256 in hex or base64");

/** The lower-case hex form of a SHA-256 in hex or base64; `undefined` when it is neither. */
export function sha256ToHex(checksum: string): string | undefined {
  if (CHECKSUM_HEX.test(checksum)) return checksum.toLowerCase();
  if (!CHECKSUM_BASE64.test(checksum)) return undefined;
  return Array.from(atob(checksum), (char) => char.charCodeAt(0).toString(16).padStart(2, "0")).join("");
}

const contentType = z
  .string()
  .min(1)
  .max(255)
  .regex(/^[\x20-\x7e]+$/, "must be printable ASCII");
const sizeBytes = z.number().int().nonnegative();

/** POST /topics/{topic_id}/payloads (A12). */
export const createPayloadRequestASchema = z.object({
  content_type: contentType,
  filename: z.string().max(1024).nullish(),
  /** Bytes. */
  size: sizeBytes,
  hash: sha256Schema.nullish(),
});
export type CreatePayloadRequestA = z.infer<typeof createPayloadRequestASchema>;

export const createPayloadResponseASchema = z.looseObject({
  object_id: z.string().min(1),
  upload_url: z.string().min(1),
  expiration: z.union([z.string(), z.number()]).nullish(),
  download_url: z.string().nullish(),
});
export type CreatePayloadResponseA = z.infer<typeof createPayloadResponseASchema>;

/** GET /topics/{topic_id}/payloads/{object_id} (A12). */
export const payloadInfoASchema = z.looseObject({
  object_id: z.string().nullish(),
  content_type: z.string().nullish(),
  size: z.number().nullish(),
  download_url: z.string().min(1),
  expiration: z.union([z.string(), z.number()]).nullish(),
});
export type PayloadInfoA = z.infer<typeof payloadInfoASchema>;

/** POST /topics/{top}/payloads (B10). */
export const createPayloadRequestBSchema = z.object({
  size_bytes: sizeBytes,
  content_type: contentType.nullish(),
  checksum_sha256: sha256Schema.nullish(),
});
export type CreatePayloadRequestB = z.infer<typeof createPayloadRequestBSchema>;

/** The URL must be used verbatim, with exactly these headers and no Authorization. */
export const createPayloadResponseBSchema = z.looseObject({
  payload_object_id: z.string().min(1),
  presigned_put_url: z.string().min(1),
  required_headers: z.record(z.string(), z.string()).nullish(),
});
export type CreatePayloadResponseB = z.infer<typeof createPayloadResponseBSchema>;

/** GET /topics/{top}/payloads/{pob} (B10). */
export const payloadInfoBSchema = z.looseObject({
  presigned_get_url: z.string().min(1),
  content_type: z.string().nullish(),
  size_bytes: z.number().nullish(),
});
export type PayloadInfoB = z.infer<typeof payloadInfoBSchema>;
