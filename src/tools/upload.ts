/**
 * `agentrux_upload`, also known as `agentrux_deliver`: sends a file. During a turn that came from a topic it becomes part
 * of that turn's reply, and goes nowhere else; otherwise it becomes an object of a topic, to be referred to by an event.
 */

import { z } from "zod";
import { AgentruxError } from "../errors.ts";
import { cleanLine } from "../guard/text.ts";
import { defineTool, type Tool, type ToolContext, type ToolResult } from "./tool.ts";
import { resolveTopic, topicParameter } from "./topic-ref.ts";

const parameters = z.object({
  file_path: z
    .string()
    .min(1)
    .max(4_096)
    // Not required in the schema: the host would turn a call down that uses one of the other names.
    .optional()
    .describe("Required. A path inside your workspace, absolute or relative to it. With `content`: only a name."),
  content: z
    .string()
    .max(1_000_000)
    .optional()
    .describe("Text to send as a file of that name. Nothing is written to disk."),
  content_type: z
    .string()
    .regex(/^[\w.+-]{1,60}\/[\w.+-]{1,60}$/)
    .optional()
    .describe("Media type; by default it is told from the file."),
  topic: topicParameter("Where to store it, outside a request from a topic; by default the result topic").optional(),
});

type Args = z.infer<typeof parameters>;

async function run(args: Args, context: ToolContext, signal: AbortSignal): Promise<ToolResult> {
  if (args.file_path === undefined) throw new AgentruxError("invalid", '"file_path" is missing');
  const file = {
    reference: args.file_path,
    ...(args.content === undefined ? {} : { text: args.content }),
    ...(args.content_type === undefined ? {} : { contentType: args.content_type }),
  };
  if (context.turn !== undefined) {
    if (args.topic !== undefined) {
      throw new AgentruxError("not_allowed", "During a request from a topic a file can only go with the reply");
    }
    const { address } = context.turn;
    if (address === undefined) throw new AgentruxError("invalid", "There is no reply to attach a file to");
    const { name, size, contentType } = await context.files.attach(address, file);
    return {
      text: `${name} (${contentType}, ${size} bytes) goes with your reply. There is nothing more to do for it.`,
      details: { attached: true, name, size, content_type: contentType },
    };
  }
  const topicId =
    args.topic === undefined ? context.account.resultTopicId : resolveTopic(context.account, args.topic).topicId;
  const service = await context.service();
  const { name, size, contentType, uploaded } = await context.files.send(file, async (source, facts) => {
    const about = { contentType: facts.contentType, filename: facts.name };
    return { uploaded: await service.createObject({ topicId, bytes: source, ...about, signal }) };
  });
  const { objectId, downloadUrl } = uploaded;
  return {
    text: [
      `${name} (${contentType}, ${size} bytes) is stored as object ${objectId} of topic ${topicId}.`,
      service.generation === "b"
        ? "It becomes readable once an event refers to it, and expires if none does: publish one with this id in `attachments`."
        : "Publish an event with this id in `attachments` to tell others of it.",
      ...(downloadUrl === undefined ? [] : [`Download: ${cleanLine(downloadUrl, 2_000)}`]),
    ].join("\n"),
    details: {
      attached: false,
      object_id: objectId,
      topic_id: topicId,
      name,
      size,
      content_type: contentType,
      ...(downloadUrl === undefined ? {} : { download_url: downloadUrl }),
    },
  };
}

const TIMEOUT_MS = 600_000;

function uploadTool(name: string, label: string, description: string): Tool {
  return defineTool({
    name,
    label,
    description,
    parameters,
    aliases: { filePath: "file_path", path: "file_path", topic_id: "topic" },
    topicTurn: "always",
    timeoutMs: () => TIMEOUT_MS,
    run,
  });
}

export const uploadTools: readonly Tool[] = [
  uploadTool(
    "agentrux_upload",
    "AgenTrux upload",
    "Sends a file from your workspace. While you work on a request that came over AgenTrux the file goes with your reply; otherwise it is stored at a topic and its object id comes back.",
  ),
  uploadTool(
    "agentrux_deliver",
    "AgenTrux deliver",
    "The same as agentrux_upload, under the name earlier versions used: sends a file with your reply to a request that came over AgenTrux.",
  ),
];
