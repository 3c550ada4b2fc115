/** Owns the HTTP calls to a hub's console endpoints, and what to tell people when one fails. */
import { parseErrorBody } from "agentrux-wire";
import type { z } from "zod";
import { CliError } from "./io.ts";
import type { HubLocation } from "./locate.ts";

const TIMEOUT_MS = 10_000;

export interface AdminClient {
  /** @throws CliError with the hub's own code when it refuses, UNREACHABLE when it does not answer */
  get<T>(path: string, schema: z.ZodType<T>): Promise<T>;
  post<T>(path: string, body: object, schema: z.ZodType<T>): Promise<T>;
  /** A post that says nothing and is answered with nothing. */
  postEmpty(path: string): Promise<void>;
  delete(path: string): Promise<void>;
}

export function createAdminClient(hub: HubLocation): AdminClient {
  async function call(method: string, path: string, body?: object): Promise<string> {
    let response: Response;
    let text: string;
    try {
      response = await fetch(hub.url + path, {
        method,
        headers: { Authorization: `Bearer ${hub.adminToken}`, "Content-Type": "application/json" },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        redirect: "error",
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      text = await response.text();
    } catch (cause) {
      throw new CliError("UNREACHABLE", `The hub at ${hub.url} does not answer. Is it running there?`, { cause });
    }
    if (response.ok) return text;
    throw refusal(hub, response, text);
  }

  async function read<T>(text: string, schema: z.ZodType<T>): Promise<T> {
    let document: unknown;
    try {
      document = JSON.parse(text);
    } catch (cause) {
      throw new CliError("NOT_A_HUB", `What answers at ${hub.url} is not an AgenTrux hub.`, { cause });
    }
    const result = schema.safeParse(document);
    if (result.success) return result.data;
    throw new CliError("NOT_A_HUB", `The hub at ${hub.url} gave an answer this command does not understand.`, {
      cause: result.error,
    });
  }

  return {
    get: async (path, schema) => read(await call("GET", path), schema),
    post: async (path, body, schema) => read(await call("POST", path, body), schema),
    postEmpty: async (path) => void (await call("POST", path)),
    delete: async (path) => void (await call("DELETE", path)),
  };
}

function refusal(hub: HubLocation, response: Response, text: string): CliError {
  const error = parseErrorBody(response.status, response.headers.get("content-type"), text);
  if (response.status === 401) {
    return new CliError(
      "UNAUTHORIZED",
      `The hub at ${hub.url} does not accept this admin token. It is in the file admin-token of the hub's data folder.`,
    );
  }
  return new CliError(error.code ?? `HTTP_${response.status}`, error.message);
}
