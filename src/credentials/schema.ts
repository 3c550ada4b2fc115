/** Owns the content of `credentials.json` in both generations: what it must hold, and how it is written. */

import { z } from "zod";

/** A checked credential. The field names on disk are the vendor's (behaviour spec, section 1.1). */
export interface StoredCredentials {
  readonly generation: "a" | "b";
  /** Without trailing slash. */
  readonly baseUrl: string;
  /** Generation A: the script id. Generation B: `crd_...`. */
  readonly clientId: string;
  readonly clientSecret: string;
  readonly scriptId?: string;
}

/** `reason` names the field at fault and never its value. */
export type ParsedCredentials =
  | { readonly ok: true; readonly credentials: StoredCredentials }
  | { readonly ok: false; readonly reason: string };

const baseUrl = z
  .string("is missing or not text")
  .refine((url) => serviceUrlProblem(url) === undefined, { error: (issue) => serviceUrlProblem(String(issue.input)) })
  .transform(withoutTrailingSlash);
// The secret travels in headers and form bodies: a line break or a space in it is a copying accident.
const token = z
  .string("is missing or not text")
  .min(1, "is empty")
  .max(1024, "is longer than 1024 characters")
  .regex(/^[\x21-\x7e]+$/, "holds a space, line break or non-ASCII character");

const generationA = z.object({ base_url: baseUrl, script_id: token, client_secret: token });
const generationB = z.object({ base_url: baseUrl, client_id: token, client_secret: token, script_id: token.nullish() });

/** Parses the text of `credentials.json`. Never throws. */
export function parseCredentials(text: string): ParsedCredentials {
  const document = parseObject(text);
  if (document === undefined) return { ok: false, reason: "is not a JSON object" };
  // The reference writes `clientSecret`, its documentation says `client_secret`.
  const fields = { ...document, client_secret: document["client_secret"] ?? document["clientSecret"] };
  return "client_id" in fields ? parseB(fields) : parseA(fields);
}

/** The text to store: the vendor's own field names, so that its clients can read the file too. */
export function formatCredentials(credentials: StoredCredentials): string {
  const { generation, baseUrl: base_url, clientId, clientSecret, scriptId } = credentials;
  const document =
    generation === "a"
      ? { base_url, script_id: clientId, clientSecret }
      : { base_url, client_id: clientId, client_secret: clientSecret, ...(scriptId && { script_id: scriptId }) };
  return `${JSON.stringify(document, null, 2)}\n`;
}

/**
 * Why `url` must not carry a secret, or undefined when it may: https anywhere, plain http only to this machine, and no
 * user name, query or fragment.
 */
export function serviceUrlProblem(url: string): string | undefined {
  if (!URL.canParse(url)) return "is not a URL";
  const { protocol, hostname, username, password, search, hash } = new URL(url);
  if (username || password || search || hash) return "must be a plain URL without user name, query or fragment";
  if (protocol === "https:") return undefined;
  if (protocol !== "http:") return "must begin with https://";
  return isLoopback(hostname) ? undefined : "must begin with https:// (plain http only to this machine)";
}

/** Paths are appended to the base URL; `//auth/token` would be another path. */
export function withoutTrailingSlash(url: string): string {
  return url.replace(/\/+$/, "");
}

function parseA(fields: Record<string, unknown>): ParsedCredentials {
  const result = generationA.safeParse(fields);
  if (!result.success) return { ok: false, reason: reasonOf(result.error) };
  const { base_url, script_id, client_secret } = result.data;
  return {
    ok: true,
    credentials: {
      generation: "a",
      baseUrl: base_url,
      clientId: script_id,
      clientSecret: client_secret,
      scriptId: script_id,
    },
  };
}

function parseB(fields: Record<string, unknown>): ParsedCredentials {
  const result = generationB.safeParse(fields);
  if (!result.success) return { ok: false, reason: reasonOf(result.error) };
  const { base_url, client_id, client_secret, script_id } = result.data;
  return {
    ok: true,
    credentials: {
      generation: "b",
      baseUrl: base_url,
      clientId: client_id,
      clientSecret: client_secret,
      ...(script_id && { scriptId: script_id }),
    },
  };
}

function reasonOf(error: z.ZodError): string {
  return error.issues.map((issue) => `${issue.path.join(".")} ${issue.message}`).join("; ");
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text.replace(/^\uFEFF/, ""));
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    // The parser's message quotes the text, which may hold the secret.
    return undefined;
  }
}

function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127(\.\d{1,3}){3}$/.test(hostname);
}
