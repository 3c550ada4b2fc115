/**
 * Owns the files that leave with a reply: those the agent's answer names, and those its tools have attached during the
 * turn. Each is opened under the path guard, copied while it is read, and named, sized and summed by the copy.
 *
 * A file that may not leave, or cannot be read, does not fail the answer: the reply says in its place that it could not
 * be sent, and the log says why. A link is passed on as a link; nobody fetches it here.
 */

import { AgentruxError, errorText } from "../errors.ts";
import { safeFileName } from "../guard/file-name.ts";
import { openAllowed, type PathRules } from "../guard/path.ts";
import type { ReplyAttachment } from "../replies/compose.ts";
import { type Collected, NOT_SENT, type ReplyFile, type ReplyFiles } from "../replies/files.ts";
import type { Log } from "../replies/ports.ts";
import type { Command } from "../replies/turn.ts";
import { readHead } from "./content.ts";
import type { Spool } from "./spool.ts";

/** What the host decides about files that leave. */
export interface OutgoingPolicy {
  /** Where they may lie; asked each time, since configuration changes. */
  rules(): PathRules;
  /** The file itself where the host names a copy of it; `reference` where it does not, or there is no such file. */
  originalOf(reference: string): Promise<string>;
  /** The type of a file by its first bytes and its name; undefined where they tell none. */
  typeOf(head: Uint8Array, name: string): Promise<string | undefined>;
}

export interface OutgoingLimits {
  /** Bytes of one file. */
  readonly fileBytes: number;
  /** Bytes of one reply's files. */
  readonly replyBytes: number;
  readonly files: number;
  /** Bytes of all copies that wait. */
  readonly storedBytes: number;
}

export const OUTGOING_LIMITS: OutgoingLimits = {
  fileBytes: 100 * 1024 * 1024,
  replyBytes: 200 * 1024 * 1024,
  files: 16,
  storedBytes: 2 * 1024 * 1024 * 1024,
};

export interface OutgoingOptions {
  readonly spool: Spool;
  readonly policy: OutgoingPolicy;
  readonly log: Log;
  /** How long a copy may wait for its reply, in milliseconds. */
  readonly keepMs: number;
  readonly limits?: Partial<OutgoingLimits>;
}

/** A file to attach. */
export interface Attaching {
  /** A path; or only a name, with `text`. */
  readonly reference: string;
  /** The content, in place of a file. */
  readonly text?: string;
  readonly contentType?: string;
}

export interface Outgoing extends ReplyFiles {
  /**
   * Makes a file part of the reply to a command whose turn runs now.
   *
   * @param rules In place of the policy's, for a session with a workspace of its own.
   * @throws AgentruxError `path_refused`, `file_unreadable`, `payload_too_large`, `invalid`
   */
  add(commandId: string, file: Attaching, rules?: PathRules): Promise<ReplyFile>;
}

export const UNKNOWN_TYPE = "application/octet-stream";
/** Enough for the signature of any type. */
export const HEAD_BYTES = 16 * 1024;
const MAX_LINK_CHARS = 2_048;

export function createOutgoing(options: OutgoingOptions): Outgoing {
  const { spool, policy, log } = options;
  const limits = { ...OUTGOING_LIMITS, ...options.limits };
  /** What tools have attached to the turns that run now, by command. */
  const attached = new Map<string, readonly ReplyFile[]>();

  const copy = async (
    file: Attaching,
    before: readonly ReplyFile[],
    rules: PathRules = policy.rules(),
  ): Promise<ReplyFile> => {
    if (before.length >= limits.files) throw new AgentruxError("invalid", `A reply takes ${limits.files} files`);
    if ((await spool.sweep(options.keepMs)) >= limits.storedBytes) {
      throw new AgentruxError("disk", "Too many files wait to be sent", { retryable: true });
    }
    const room = limits.replyBytes - before.reduce((sum, { size }) => sum + size, 0);
    const maxBytes = Math.min(limits.fileBytes, room);
    if (file.text !== undefined) {
      const bytes = Buffer.from(file.text);
      const kept = await spool.keep(once(bytes), maxBytes);
      return { ...kept, ...(await described(file, bytes, file.reference)) };
    }
    const { handle, name, size } = await openAllowed(file.reference, rules);
    try {
      if (size > maxBytes) throw new AgentruxError("payload_too_large", `It is larger than ${maxBytes} bytes`);
      const stream = handle.createReadStream({ autoClose: false }) as AsyncIterable<Uint8Array>;
      const headed = await readHead(stream, HEAD_BYTES);
      const kept = await spool.keep(headed.all(), maxBytes);
      return { ...kept, ...(await described(file, headed.head, name)) };
    } finally {
      await handle.close();
    }
  };

  const described = async ({ contentType }: Attaching, head: Uint8Array, name: string) => {
    const safe = safeFileName(name);
    return { name: safe, contentType: contentType ?? (await policy.typeOf(head, safe)) ?? UNKNOWN_TYPE };
  };

  const collect = async (command: Command, media: readonly string[]): Promise<Collected> => {
    const files = [...(attached.get(command.commandId) ?? [])];
    attached.delete(command.commandId);
    const listed: ReplyAttachment[] = [];
    for (const reference of media) {
      const link = linkIn(reference);
      if (link !== undefined) {
        listed.push(link);
        continue;
      }
      try {
        const file = await copy({ reference: await policy.originalOf(reference) }, files);
        if (files.some((other) => isSame(other, file))) await spool.discard([file.spool]);
        else files.push(file);
      } catch (error) {
        log.error(`[agentrux] A file of the reply to ${command.eventId} cannot be sent: ${errorText(error)}`);
        listed.push(notSent(reference, error));
      }
    }
    return { listed, files };
  };

  const discard = (files: readonly ReplyFile[]): Promise<void> => spool.discard(files.map((file) => file.spool));

  const forget = async (commandId: string): Promise<void> => {
    const files = attached.get(commandId) ?? [];
    attached.delete(commandId);
    await discard(files);
  };

  return {
    collect,
    discard,
    forget,
    async add(commandId, file, rules) {
      const added = await copy(file, attached.get(commandId) ?? [], rules);
      const known = attached.get(commandId) ?? [];
      const same = known.find((other) => isSame(other, added));
      if (same !== undefined) {
        await spool.discard([added.spool]);
        return same;
      }
      attached.set(commandId, [...known, added]);
      return added;
    },
  };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

function isSame(one: ReplyFile, other: ReplyFile): boolean {
  return one.name === other.name && one.sha256 === other.sha256;
}

function linkIn(reference: string): ReplyAttachment | undefined {
  const url = URL.parse(reference);
  if (url?.protocol !== "https:" || url.username !== "" || reference.length > MAX_LINK_CHARS) return undefined;
  const name = safeFileName(url.pathname.split("/").at(-1));
  return { name, content_type: UNKNOWN_TYPE, download_url: url.href };
}

/** Says no more than the name: what lies where on this machine is nobody's business. */
function notSent(reference: string, error: unknown): ReplyAttachment {
  const code = error instanceof AgentruxError ? error.code : "unexpected";
  return { name: safeFileName(reference), content_type: UNKNOWN_TYPE, error: { code, message: NOT_SENT } };
}
