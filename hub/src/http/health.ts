/**
 * `/healthz`: the process answers. `/readyz`: it can also store what it is given, on topics and in the world, and the world
 * is whole. What the disk refused last must be proved possible again, so that a hub to which nobody writes, because it is
 * not ready, becomes ready by itself.
 */
import type { HubDeps } from "../deps.ts";
import type { HubApp } from "./context.ts";

export function registerHealthRoutes(app: HubApp, deps: HubDeps): void {
  app.get("/healthz", (c) => c.json({ status: "ok" }));
  app.get("/readyz", async (c) => {
    const reason = await whyNotReady(deps);
    return reason === undefined ? c.json({ status: "ready" }) : c.json({ status: "not ready", reason }, 503);
  });
}

async function whyNotReady({ store, world }: HubDeps): Promise<string | undefined> {
  const health = await store.health();
  if (!health.writable) return health.reason ?? "the store cannot be written";
  const { isRestored, isWritable, reason } = world.health();
  return isWritable || (isRestored && (await world.provesWritable())) ? undefined : reason;
}
