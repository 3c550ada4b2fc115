/** Owns the client's HTTP: one JSON exchange with a time limit, and checked access to what came back. */

const REQUEST_TIMEOUT_MS = 15_000;
const USER_AGENT = "agentrux-demo-client/1.0 (+node)";

/** The service answered, and said no. */
export class Refused extends Error {
  override readonly name = "Refused";
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** Headers every request of the client carries. */
export function clientHeaders(token?: string): Record<string, string> {
  return { "user-agent": USER_AGENT, ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) };
}

/**
 * Sends `json` (POST), or asks (GET) without it.
 *
 * @throws Refused on a status of 400 or more; the network's error when nothing came back.
 */
export async function requestJson(
  url: string,
  options: { readonly token?: string; readonly json?: unknown },
): Promise<unknown> {
  const response = await fetch(url, {
    method: options.json === undefined ? "GET" : "POST",
    headers: {
      ...clientHeaders(options.token),
      ...(options.json === undefined ? {} : { "content-type": "application/json" }),
    },
    ...(options.json === undefined ? {} : { body: JSON.stringify(options.json) }),
    signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
  });
  const text = await response.text();
  if (response.ok) return JSON.parse(text) as unknown;
  const path = new URL(url).pathname;
  throw new Refused(response.status, `${path} was refused with HTTP ${response.status}: ${text.slice(0, 300)}`);
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function field(document: unknown, key: string): unknown {
  return isRecord(document) ? document[key] : undefined;
}

/** @throws when `key` is not a string. */
export function stringField(document: unknown, key: string): string {
  const value = field(document, key);
  if (typeof value !== "string") throw new Error(`the service's answer lacks the text ${key}`);
  return value;
}

/** @throws when `key` is not a number. */
export function numberField(document: unknown, key: string): number {
  const value = field(document, key);
  if (typeof value !== "number") throw new Error(`the service's answer lacks the number ${key}`);
  return value;
}

/** @throws when `key` is not a list. */
export function arrayField(document: unknown, key: string): readonly unknown[] {
  const value = field(document, key);
  if (!Array.isArray(value)) throw new Error(`the service's answer lacks the list ${key}`);
  return value;
}
