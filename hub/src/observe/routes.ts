/** Owns `/metrics`. */
import type { HubDeps } from "../deps.ts";
import { requireAdmin } from "../console/admin.ts";
import type { HubApp, HubContext } from "../http/context.ts";
import { hostCheck } from "../http/host.ts";
import { METRICS_CONTENT_TYPE } from "./metrics.ts";
import { measureProcess } from "./process.ts";
import { measureRequests } from "./requests.ts";

/** Must be registered before the routes it is to measure. */
export function registerObserveRoutes(app: HubApp, deps: HubDeps): void {
  measureRequests(app, deps);
  const stop = measureProcess(deps.metrics, deps.dataDir);
  deps.onClose(async () => stop());

  const isOwnHost = hostCheck(deps.config.publicUrl);
  app.get("/metrics", async (c) => {
    // How busy a hub is, is nobody's business beyond this machine; its scraper there needs no secret.
    if (!isLocal(c) || !isOwnHost(c.env.incoming.headers.host)) await requireAdmin(c, deps);
    return c.body(deps.metrics.render(), 200, { "Content-Type": METRICS_CONTENT_TYPE });
  });
}

/** Whether the caller is on this machine; one that a proxy speaks for is not. */
function isLocal(c: HubContext): boolean {
  const { socket, headers } = c.env.incoming;
  if (headers["x-forwarded-for"] !== undefined || headers.forwarded !== undefined) return false;
  const address = socket.remoteAddress ?? "";
  return address === "::1" || /^(?:::ffff:)?127\./.test(address);
}
