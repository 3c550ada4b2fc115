/** Owns the payload area: puts its parts together, registers its routes and runs its clean-up. */
import type { HubDeps } from "../deps.ts";
import type { HubApp } from "../http/context.ts";
import { ObjectFiles } from "./files.ts";
import { PayloadObjects } from "./objects.ts";
import { registerObjectMetadataRoutes } from "./routes.ts";
import { createUrlSigner, loadUrlKey } from "./signed-urls.ts";
import { registerTransferRoutes } from "./transfer.ts";

export function registerPayloadRoutes(app: HubApp, deps: HubDeps): void {
  const files = new ObjectFiles(deps.dataDir);
  const objects = new PayloadObjects(deps, files);
  const urls = createUrlSigner(loadUrlKey(deps.dataDir, deps.random));
  registerObjectMetadataRoutes(app, deps, objects, urls);
  registerTransferRoutes(app, deps, { objects, files, urls });
  deps.onClose(startSweep(deps, objects));
}

/** Removes orphans once and expired objects regularly. @returns the way to stop, which waits for a sweep under way */
function startSweep(deps: HubDeps, objects: PayloadObjects): () => Promise<void> {
  const stopping = new AbortController();
  let last: Promise<unknown> = run(() => objects.removeOrphans(stopping.signal));

  async function run(work: () => Promise<number>): Promise<void> {
    try {
      const removed = await work();
      if (removed > 0) deps.log.info({ removed }, "payload objects removed");
    } catch (error) {
      deps.log.error({ err: error }, "payload clean-up failed; it will be tried again");
    }
  }

  const timer = setInterval(() => {
    last = last.then(() => run(() => objects.sweep(stopping.signal)));
  }, deps.config.retentionSweepMs);
  timer.unref();

  return async () => {
    stopping.abort();
    clearInterval(timer);
    await last;
  };
}
