/** Owns the Composer dialect of commands and replies (B12 of the wire spec). */
import { z } from "zod";

/** Commands whose event type begins so are answered in this dialect. */
export const COMPOSER_TYPE_PREFIX = "composer.";
export const COMPOSER_TEXT_TYPE = "composer.text";
export const COMPOSER_UPLOAD_TYPE = "composer.upload";
/** Receivers put together what arrives with one `group_id` within this time, in milliseconds. */
export const COMPOSER_GROUP_WINDOW_MS = 60_000;

/** Payload of an inbound `composer.*` event, and of a `composer.text` reply (`format` is then `markdown`). */
export const composerTextSchema = z.looseObject({ content: z.string(), format: z.string().nullish() });
export type ComposerText = z.infer<typeof composerTextSchema>;

/** Metadata of Composer events. Consumers read `request_id` and `conversation_key` here first, in the payload second. */
export const composerMetadataSchema = z.looseObject({
  request_id: z.string().nullish(),
  conversation_key: z.string().nullish(),
  /** UUID v4, shared by the parts of one reply. */
  group_id: z.string().nullish(),
  /** Of an upload. */
  filename: z.string().nullish(),
  content_type: z.string().nullish(),
  size_bytes: z.number().nullish(),
});
export type ComposerMetadata = z.infer<typeof composerMetadataSchema>;
