/** Owns the Flux API's place in the hub: `/api/*`, its own error texts, and 503 until the world is whole. */
import { join } from "node:path";
import type { HubDeps } from "../../deps.ts";
import { HubError } from "../../errors.ts";
import type { HubApp } from "../../http/context.ts";
import { CredentialSafe } from "../credential-safe.ts";
import { registerAdminRoutes } from "./admin.ts";
import { registerConnectorRoutes } from "./connectors.ts";
import { registerWorldEntityRoutes } from "./entities.ts";
import { registerWorldEventRoutes } from "./events.ts";
import { registerNamespaceRoutes } from "./namespaces.ts";
import { registerOrigins } from "./origin.ts";

/** Paths that answer other methods than theirs with 405, as the stock server does. */
const PATHS = [
  "/api/events",
  "/api/events/batch",
  "/api/state/entities",
  "/api/state/entities/:entity_id{[^]+}",
  "/api/namespaces",
  "/api/namespaces/:namespace",
  "/api/namespaces/:namespace/token",
  "/api/connectors",
  "/api/connectors/:connector",
  "/api/connectors/:connector/token",
  "/api/admin/config",
];

export function registerWorldRoutes(app: HubApp, deps: HubDeps): void {
  const { world } = deps;
  registerOrigins(app, deps.config);
  app.use("/api/*", async (_c, next) => {
    const { isRestored, reason } = world.health();
    if (!isRestored) throw new HubError("UNAVAILABLE", reason ?? "the world is not live", { retryAfterS: 1 });
    await next();
  });
  registerWorldEventRoutes(app, deps);
  registerWorldEntityRoutes(app, deps);
  registerNamespaceRoutes(app, deps);
  registerConnectorRoutes(app, deps, new CredentialSafe(join(deps.dataDir, "world-credentials.key")));
  registerAdminRoutes(app, deps);
  for (const path of PATHS) {
    app.all(path, () => {
      throw new HubError("INVALID", "Method not allowed", { status: 405 });
    });
  }
}
