/**
 * Owns reading what the gateway sends a model: finds the text of the current request inside the host's wrapping.
 *
 * The host's messages, in order: the system prompt, earlier turns, the current user message, the tool rounds of this
 * turn, and always last, also after a tool result, one more user message with internal context. So neither "the last
 * message" nor "the last user message" is the request; and a tool result counts only when it follows the request.
 */

/** A message of an OpenAI chat-completions request, as far as the script looks at it. */
export interface ChatMessage {
  readonly role: string;
  readonly text: string;
}

/** The current turn of a chat-completions request. */
export interface CurrentTurn {
  /** The requester's own words, without the host's and the plugin's wrapping. */
  readonly text: string;
  /** What stands outside the markers around untrusted text: the host's and the plugin's own words. */
  readonly outside: string;
  /** Result of the newest tool call of this turn, if one was made. */
  readonly toolResult: string | undefined;
}

const INTERNAL_CONTEXT = "<<<BEGIN_OPENCLAW_INTERNAL_CONTEXT>>>";
const CONVERSATION_INFO = /^\[[^\]]*\] Conversation info:[\s\S]*?\n```\n\n/;
const GO_ON = "[System] Your previous turn was interrupted by a gateway restart";
const RUNTIME_LINE = /\n\nRuntime: agent=[\s\S]*$/;
const TIME_PREFIX = /^\[[A-Z][a-z]{2} \d{4}-\d{2}-\d{2}[^\]]*\] /;
/** Text of unknown origin between random markers, the shape both the host and the plugin use. */
const UNTRUSTED_BLOCK = /<<<([A-Z][A-Z0-9_]*) id="([\w-]+)">>>\n([\s\S]*?)\n<<<END_\1 id="\2">>>/;
const UNTRUSTED_START = /<<<[A-Z][A-Z0-9_]* id="/;
const BLOCK_HEADER = /^(?:[A-Z][\w -]*: [^\n]*\n)*---\n/;

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function contentText(content: unknown): string {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return "";
  return content
    .map((part: unknown) => {
      if (!isRecord(part)) return "";
      return typeof part["text"] === "string" ? part["text"] : `[${String(part["type"])}]`;
    })
    .join("");
}

/** The messages of a request body; entries that are not messages are left out. */
export function readMessages(body: unknown): readonly ChatMessage[] {
  const messages = isRecord(body) ? body["messages"] : undefined;
  if (!Array.isArray(messages)) return [];
  return messages.filter(isRecord).map((m) => ({ role: String(m["role"]), text: contentText(m["content"]) }));
}

/** Names of the tools a request offers to the model. */
export function readToolNames(body: unknown): readonly string[] {
  const tools = isRecord(body) ? body["tools"] : undefined;
  if (!Array.isArray(tools)) return [];
  return tools.flatMap((tool: unknown) => {
    const fn = isRecord(tool) ? tool["function"] : undefined;
    return isRecord(fn) && typeof fn["name"] === "string" ? [fn["name"]] : [];
  });
}

/**
 * Takes the wrapping off a user message: the host's conversation info, run-time line and time stamp, then the markers
 * around untrusted text.
 *
 * @example unwrapRequest('<<<EXTERNAL_UNTRUSTED_CONTENT id="1f">>>\nSource: API\n---\nhi\n<<<END_EXTERNAL_UNTRUSTED_CONTENT id="1f">>>') // "hi"
 */
export function unwrapRequest(message: string): string {
  const bare = bareMessage(message);
  const block = UNTRUSTED_BLOCK.exec(bare)?.[3];
  return (block === undefined ? bare : block.replace(BLOCK_HEADER, "")).trim();
}

function bareMessage(message: string): string {
  return message.replace(CONVERSATION_INFO, "").replace(RUNTIME_LINE, "").replace(TIME_PREFIX, "");
}

/**
 * The current turn: the last real user message, and the newest tool result after it. After a crash the host asks to go on
 * with what the transcript ends with, which is then the request.
 */
export function currentTurn(messages: readonly ChatMessage[]): CurrentTurn {
  const at = messages.findLastIndex(
    ({ role, text }) => role === "user" && !text.startsWith(INTERNAL_CONTEXT) && !bareMessage(text).startsWith(GO_ON),
  );
  const message = messages[at]?.text ?? "";
  return {
    text: unwrapRequest(message),
    outside: bareMessage(message).split(UNTRUSTED_START)[0] ?? "",
    toolResult: messages.slice(at + 1).findLast((m) => m.role === "tool")?.text,
  };
}
