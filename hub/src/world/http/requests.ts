/** Owns what the world's endpoints have in common: reading bodies and parameters, and who is calling. */
import { z } from "zod";
import { HubError } from "../../errors.ts";
import { parseJson, readText } from "../../http/body.ts";
import type { HubContext } from "../../http/context.ts";
import type { Caller } from "../access.ts";
import type { World } from "../world.ts";

export function callerOf(c: HubContext, world: World): Caller {
  return world.access.caller(c.env.incoming.headers.authorization);
}

/**
 * Turns strangers away before a body is read. What a token opens is known only with the body; that it opens nothing, before.
 * @throws HubError UNAUTHORIZED, FORBIDDEN
 */
export function writerOf(c: HubContext, world: World): Caller {
  const caller = callerOf(c, world);
  const refusal = world.access.strangerRefusal(caller);
  if (refusal !== undefined) throw refusal;
  return caller;
}

/** @throws HubError UNAUTHORIZED; text as the endpoint's stock counterpart has it */
export function requireAdmin(caller: Caller, message: string): void {
  if (!caller.isAdmin) throw new HubError("UNAUTHORIZED", message);
}

/** @throws HubError PAYLOAD_TOO_LARGE, INVALID (400) */
export async function readBody(c: HubContext, limitBytes: number): Promise<{ text: string; value: unknown }> {
  try {
    const text = await readText(c, limitBytes);
    if (text.trim() === "")
      throw new HubError("INVALID", "EOF while parsing a value at line 1 column 0", { status: 400 });
    return { text, value: parseJson(text) };
  } catch (error) {
    if (!(error instanceof HubError) || error.code !== "PAYLOAD_TOO_LARGE") throw error;
    throw new HubError("PAYLOAD_TOO_LARGE", "payload too large", {
      details: { limit_bytes: limitBytes },
      cause: error,
    });
  }
}

/** @throws HubError INVALID (422) naming the field */
export function fitting<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new HubError("INVALID", `${issue?.path.join(".") || "the request body"}: ${issue?.message ?? "does not fit"}`);
}

/**
 * A parameter of the query, given once at most.
 * @throws HubError INVALID (400) when it is given twice
 */
export function parameter(c: HubContext, name: string): string | undefined {
  const values = c.req.queries(name);
  if (values !== undefined && values.length > 1) throw badRequest(`${name}: given more than once`);
  return values?.[0];
}

/** @throws HubError INVALID (400) when it is there and no whole number */
export function numberParameter(c: HubContext, name: string, min: number, max: number): number | undefined {
  const text = parameter(c, name);
  if (text === undefined) return undefined;
  if (!/^-?\d+$/.test(text)) throw badRequest(`${name}: must be a whole number`);
  return Math.min(max, Math.max(min, Number(text)));
}

export function badRequest(message: string): HubError {
  return new HubError("INVALID", message, { status: 400 });
}

/** The version of an entity as `ETag` and `If-Match` write it. */
export function entityTag(version: number): string {
  return `"${version}"`;
}

/**
 * The version that a conditional request demands: `If-Match: "42"`, or `If-None-Match: *` for an entity that must not be
 * there; undefined without a condition.
 * @throws HubError INVALID (400) for a condition that this hub does not know
 */
export function demandedVersion(c: HubContext): number | undefined {
  const { "if-match": match, "if-none-match": noneMatch } = c.env.incoming.headers;
  if (noneMatch === "*") return 0;
  if (match === undefined) return undefined;
  const version = /^"?(\d{1,15})"?$/.exec(match.trim())?.[1];
  if (version === undefined) throw badRequest('If-Match: must be a version, such as "42"');
  return Number(version);
}
