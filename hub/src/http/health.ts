/** `/healthz`: the process answers. `/readyz`: it can also store what it is given, and the world is whole. */
import type { HubDeps } from "../deps.ts";
import type { HubApp } from "./context.ts";

export function registerHealthRoutes(app: HubApp, deps: HubDeps): void {
  app.get("/healthz", (c) => c.json({ status: "ok" }));
  app.get("/readyz", async (c) => {
    const health = await deps.store.health();
    const world = deps.world.health();
    if (health.writable && world.isRestored) return c.json({ status: "ready" });
    const reason = health.writable ? world.reason : (health.reason ?? "the store cannot be written");
    return c.json({ status: "not ready", reason }, 503);
  });
}
