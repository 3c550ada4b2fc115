/** Owns `/openapi.json` and `/script/openapi.json`: the API described as OpenAPI 3.1, with and without the console. */
import type { HubDeps } from "../../deps.ts";
import { requestBase } from "../../http/base-url.ts";
import type { HubApp } from "../../http/context.ts";
import { version } from "../../version.ts";
import { CONSOLE_API } from "./console-api.ts";
import type { JsonObject, OperationNotes } from "./operation.ts";
import { pathsOf } from "./operation.ts";
import { componentSchemas } from "./schemas.ts";
import { WORLD_API } from "./world-api.ts";
import { SCRIPT_API } from "./script-api.ts";

export function registerOpenApiRoutes(app: HubApp, deps: HubDeps): void {
  const whole = openApi({ ...SCRIPT_API, ...WORLD_API, ...CONSOLE_API });
  const forScripts = openApi({ ...SCRIPT_API, ...WORLD_API });
  app.get("/openapi.json", (c) => c.json({ ...whole, servers: [{ url: requestBase(c, deps) }] }));
  app.get("/script/openapi.json", (c) => c.json({ ...forScripts, servers: [{ url: requestBase(c, deps) }] }));
}

function openApi(notes: OperationNotes): JsonObject {
  return {
    openapi: "3.1.0",
    info: {
      title: "AgenTrux hub",
      version,
      description:
        "The AgenTrux API, generations A and B: the form of the topic id on a path decides the dialect. And the Flux API.",
    },
    paths: pathsOf(notes),
    components: {
      schemas: componentSchemas(),
      securitySchemes: {
        accessToken: { type: "http", scheme: "bearer", bearerFormat: "JWT", description: "A script's access token" },
        namespaceToken: {
          type: "http",
          scheme: "bearer",
          description: "A namespace's token; not needed where the world is open",
        },
        adminToken: { type: "http", scheme: "bearer", description: "The operator's admin token" },
      },
    },
  };
}
