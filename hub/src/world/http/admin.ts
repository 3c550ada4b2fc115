/** Owns `/api/admin/config` (flux-wire 1.10): everybody may look, the operator may change. */
import { fluxConfigSchema } from "agentrux-wire";
import type { HubDeps } from "../../deps.ts";
import { SMALL_BODY_BYTES } from "../../http/body.ts";
import type { HubApp } from "../../http/context.ts";
import { MAX_ENTITY_BYTES } from "../writer.ts";
import { badRequest, callerOf, fitting, readBody, requireAdmin } from "./requests.ts";

/** What a request may ask the hub to hold in memory at once, whatever the operator would like. */
const BODY_LIMIT_MAX: number = 4 * MAX_ENTITY_BYTES;

export function registerAdminRoutes(app: HubApp, { world }: HubDeps): void {
  app.get("/api/admin/config", (c) => c.json(world.settings.values));

  app.put("/api/admin/config", async (c) => {
    requireAdmin(callerOf(c, world), "Unauthorized");
    const some = fitting(fluxConfigSchema.partial(), (await readBody(c, SMALL_BODY_BYTES)).value);
    for (const name of ["body_size_limit_single_bytes", "body_size_limit_batch_bytes"] as const) {
      if ((some[name] ?? 0) > BODY_LIMIT_MAX) throw badRequest(`${name}: at most ${BODY_LIMIT_MAX}`);
    }
    return c.json(await world.settings.change(some));
  });
}
