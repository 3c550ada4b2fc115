/** Reading request bodies: bounded while they stream, strict UTF-8, and errors that say what is wrong with them. */
import type { IncomingMessage } from "node:http";
import type { z } from "zod";
import { HubError } from "../errors.ts";
import type { HubContext } from "./context.ts";

/** Bodies of everything but the data plane are small documents. */
export const SMALL_BODY_BYTES: number = 64 * 1024;

/** A JSON body that takes longer is not coming. Payload objects, which may take long, are not read here. */
const BODY_DEADLINE_MS = 60_000;

const EMPTY: Buffer = Buffer.alloc(0);
const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * Reads a whole body.
 * @throws HubError PAYLOAD_TOO_LARGE once more than `limitBytes` were announced or came; INVALID (400) when the client
 *   broke off or the text is not UTF-8; INVALID (408) when it did not come in time
 */
export async function readText(c: HubContext, limitBytes: number, deadlineMs = BODY_DEADLINE_MS): Promise<string> {
  const bytes = await readBytes(c.env.incoming, limitBytes, deadlineMs);
  try {
    return utf8.decode(bytes);
  } catch (cause) {
    throw new HubError("INVALID", "The request body is not valid UTF-8", { status: 400, cause });
  }
}

function readBytes(incoming: IncomingMessage, limitBytes: number, deadlineMs: number): Promise<Uint8Array> {
  const tooLarge = () =>
    new HubError("PAYLOAD_TOO_LARGE", `The request body is larger than ${limitBytes} bytes`, {
      details: { limit_bytes: limitBytes },
    });
  if (Number(incoming.headers["content-length"] ?? 0) > limitBytes) return Promise.reject(tooLarge());
  return new Promise((resolve, reject) => {
    let bytes: Buffer = EMPTY;
    let length = 0;
    const refuse = (error: HubError) => {
      clearTimeout(deadline);
      incoming.off("data", onData);
      incoming.pause();
      reject(error);
    };
    const onData = (chunk: Buffer) => {
      if (length + chunk.length > limitBytes) return refuse(tooLarge());
      bytes = appended(bytes, length, chunk, limitBytes);
      length += chunk.length;
    };
    const deadline = setTimeout(
      () => refuse(new HubError("INVALID", "The request body did not come in time", { status: 408 })),
      deadlineMs,
    );
    incoming.on("data", onData);
    incoming.once("end", () => {
      clearTimeout(deadline);
      resolve(bytes.subarray(0, length));
    });
    const brokenOff = (cause?: unknown) =>
      refuse(new HubError("INVALID", "The request body broke off", { status: 400, cause }));
    incoming.once("error", brokenOff);
    incoming.once("close", () => {
      // Every request closes in the end; an error with its stack is only worth making for those that broke off.
      if (!incoming.readableEnded) brokenOff();
    });
  });
}

/**
 * One buffer takes all pieces: a client may send a byte at a time, and a piece that is kept costs hundreds of bytes beside its
 * own. Most bodies are one piece, which is taken as it is.
 */
function appended(bytes: Buffer, length: number, piece: Buffer, limitBytes: number): Buffer {
  if (length === 0) return piece;
  const needed = length + piece.length;
  let target = bytes;
  if (needed > bytes.length) {
    target = Buffer.allocUnsafeSlow(Math.min(limitBytes, Math.max(2 * bytes.length, needed)));
    bytes.copy(target, 0, 0, length);
  }
  piece.copy(target, length);
  return target;
}

/** @throws HubError INVALID (400) when the text is not JSON; says where, never quotes the text. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new HubError("INVALID", `The request body is not valid JSON${positionOf(cause)}`, { status: 400, cause });
  }
}

function positionOf(error: unknown): string {
  const match = /position (\d+)/.exec(error instanceof Error ? error.message : "");
  return match === null ? "" : ` (at character ${match[1]})`;
}

/** Reads a small JSON document, whatever its Content-Type says, and checks it. */
export async function readJson<T>(c: HubContext, schema: z.ZodType<T>, limitBytes = SMALL_BODY_BYTES): Promise<T> {
  return checked(schema, parseJson(await readText(c, limitBytes)));
}

/** Reads a form-encoded body (OAuth endpoints). A field given twice is refused, as RFC 6749 section 3.2 demands. */
export async function readForm(c: HubContext): Promise<Record<string, string>> {
  const form: Record<string, string> = Object.create(null);
  for (const [name, value] of new URLSearchParams(await readText(c, SMALL_BODY_BYTES))) {
    if (name in form) throw new HubError("INVALID_REQUEST", `${name} is given more than once`);
    form[name] = value;
  }
  return form;
}

/** @throws HubError INVALID naming the first field that does not fit */
export function checked<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const where = issue === undefined || issue.path.length === 0 ? "the request body" : issue.path.join(".");
  throw new HubError("INVALID", `${where}: ${issue?.message ?? "does not fit"}`);
}
