/** Owns the short form in which operations are written down here, and its long form in OpenAPI 3.1. */
import type { SchemaName } from "./schemas.ts";

export type JsonObject = Readonly<Record<string, unknown>>;

/** Who may call: anybody, who holds a signed URL, a script or namespace with its token, or the operator. */
export type Caller = "anybody" | "url" | "script" | "namespace" | "admin";

export interface Parameter {
  readonly name: string;
  readonly description: string;
  readonly schema: JsonObject;
  readonly required?: boolean;
  /** A query parameter where absent. */
  readonly in?: "query" | "header";
}

export interface OperationNote {
  readonly summary: string;
  readonly description?: string;
  readonly tag: string;
  readonly caller: Caller;
  readonly parameters?: readonly Parameter[];
  /** One schema, or several of which one fits. */
  readonly body?: SchemaName | readonly SchemaName[];
  readonly bodyType?: string;
  /** Success: its status, and schema or media type. */
  readonly status: number;
  readonly answer?: SchemaName | readonly SchemaName[];
  readonly answerType?: string;
  /** Statuses of refusals. */
  readonly refusals: readonly number[];
}

/** Operations by method and path, as in `POST /auth/activate`, with `{name}` for path parameters. */
export type OperationNotes = Readonly<Record<string, OperationNote>>;

const REFUSALS: Readonly<Record<number, string>> = {
  400: "Malformed request, or an OAuth refusal",
  401: "No token, or one that is wrong or has expired; or a wrong secret",
  403: "Not allowed",
  404: "No such thing",
  409: "In conflict with what is there",
  413: "Too large",
  422: "A field does not fit; the message names it",
  429: "Too many; Retry-After tells when again",
  503: "Not now; Retry-After tells when again",
  507: "The hub's disk is full",
};

const PATH_PARAMETERS: Readonly<Record<string, string>> = {
  topic_id: "A bare UUID asks for generation A's dialect, `top_` and the UUID for generation B's.",
  event_id: "Event id, in either form",
  object_id: "Payload object id, in either form",
  script_id: "Script id, or the script's name",
  grant_id: "Grant id",
  webhook_id: "Webhook id",
  entity_id: "Entity id, percent-encoded",
  namespace: "Name of the namespace",
  connector: "Name of the connector",
  user_code: "The code that the program shows, with or without hyphen",
};

const SECURITY: Readonly<Record<Caller, readonly JsonObject[]>> = {
  anybody: [],
  url: [],
  script: [{ accessToken: [] }],
  namespace: [{ namespaceToken: [] }],
  admin: [{ adminToken: [] }],
};

/** The `paths` object of a document. */
export function pathsOf(notes: OperationNotes): JsonObject {
  const paths: Record<string, Record<string, JsonObject>> = {};
  for (const [call, note] of Object.entries(notes)) {
    const [method = "", path = ""] = call.split(" ");
    (paths[path] ??= {})[method.toLowerCase()] = operation(path, note);
  }
  return paths;
}

function operation(path: string, note: OperationNote): JsonObject {
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name = ""]) => ({
    name,
    in: "path",
    required: true,
    description: PATH_PARAMETERS[name] ?? name,
    schema: { type: "string" },
  }));
  const others = (note.parameters ?? []).map((parameter) => ({ in: "query", ...parameter }));
  return {
    summary: note.summary,
    ...(note.description === undefined ? {} : { description: note.description }),
    tags: [note.tag],
    security: SECURITY[note.caller],
    ...(inPath.length + others.length === 0 ? {} : { parameters: [...inPath, ...others] }),
    ...(note.body === undefined && note.bodyType === undefined ? {} : { requestBody: requestBody(note) }),
    responses: responses(note),
  };
}

function requestBody({ body, bodyType = "application/json" }: OperationNote): JsonObject {
  return { required: true, content: { [bodyType]: body === undefined ? {} : { schema: schemaOf(body) } } };
}

function responses({ status, answer, answerType, refusals }: OperationNote): JsonObject {
  const type = answerType ?? (answer === undefined ? undefined : "application/json");
  const content =
    type === undefined ? {} : { content: { [type]: answer === undefined ? {} : { schema: schemaOf(answer) } } };
  const error = { "application/json": { schema: { $ref: "#/components/schemas/Error" } } };
  return {
    [status]: { description: "Done", ...content },
    ...Object.fromEntries(
      refusals.map((refusal) => [refusal, { description: REFUSALS[refusal] ?? "Refused", content: error }]),
    ),
  };
}

function schemaOf(names: SchemaName | readonly SchemaName[]): JsonObject {
  const references = [names].flat().map((name) => ({ $ref: `#/components/schemas/${name}` }));
  return references.length === 1 ? (references[0] ?? {}) : { anyOf: references };
}
