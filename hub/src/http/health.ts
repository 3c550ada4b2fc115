/** `/healthz`: the process answers. `/readyz`: it can also store what it is given. */
import type { HubDeps } from "../deps.ts";
import type { HubApp } from "./context.ts";

export function registerHealthRoutes(app: HubApp, deps: HubDeps): void {
  app.get("/healthz", (c) => c.json({ status: "ok" }));
  app.get("/readyz", async (c) => {
    const health = await deps.store.health();
    if (health.writable) return c.json({ status: "ready" });
    return c.json({ status: "not ready", reason: health.reason ?? "the store cannot be written" }, 503);
  });
}
