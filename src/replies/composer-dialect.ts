/**
 * Owns the reply to a request of the vendor's Composer, which is answered in its own dialect (wire spec, B12): one
 * `composer.upload` for each file, then one `composer.text`, all of one group. What it has no field for stands in the
 * metadata, as in any other reply: reply id, status, `final`, trace. Pure.
 */

import type { NewReply } from "../journal/types.ts";
import type { Composer, Ending, OutgoingEvent } from "./compose.ts";
import { replyIdOf } from "./reply-id.ts";
import { splitForJson } from "./split.ts";
import type { Command } from "./turn.ts";

/** One part's JSON stays below this; the service takes 256 KiB (wire spec, B7). */
const MAX_PART_BYTES = 192 * 1024;

export function isComposerRequest(command: Command): boolean {
  return command.eventType.startsWith("composer.");
}

export const composeForComposer: Composer = (command, ending, replays) => {
  const files = ending.files ?? [];
  const text = textOf(ending);
  const texts = text === "" && files.length > 0 ? [] : splitForJson(text, MAX_PART_BYTES);
  const parts = files.length + texts.length;
  // A UUID v4 by its shape: part 0 is nobody's reply id.
  const groupId = replyIdOf(command.commandId, replays, 0).slice("idk_".length);

  const reply = (part: number, rest: Omit<OutgoingEvent, "metadata">, extra: object = {}): NewReply => {
    const replyId = replyIdOf(command.commandId, replays, part);
    const final = part === parts;
    const metadata = {
      request_id: command.requestId,
      conversation_key: command.conversationKey,
      group_id: groupId,
      reply_id: replyId,
      status: final ? ending.status : "partial",
      final,
      ...(parts === 1 ? {} : { part, parts }),
      trace: { id: command.traceId, hops: command.hops + 1 },
      ...(final && ending.error !== undefined ? { error: ending.error } : {}),
      ...extra,
    };
    const correlation = command.correlationId === undefined ? {} : { correlationId: command.correlationId };
    return { replyId, part, body: JSON.stringify({ ...rest, ...correlation, metadata } satisfies OutgoingEvent) };
  };

  return [
    ...files.map((file, index) => {
      const about = { filename: file.name, content_type: file.contentType, size_bytes: file.size };
      return reply(index + 1, { type: "composer.upload", payload: {}, files: [file] }, about);
    }),
    ...texts.map((content, index) =>
      reply(files.length + index + 1, { type: "composer.text", payload: { content, format: "markdown" } }),
    ),
  ];
};

/** The message, and below it what could not be made an upload: links, and files that may not be sent. */
function textOf({ message, attachments = [] }: Ending): string {
  const lines = attachments.map(({ name, download_url, error }) => `${name}: ${error?.message ?? download_url ?? ""}`);
  return [message, ...lines].filter((line) => line !== "").join("\n\n");
}
