/** Owns reading and deleting entities: `/api/state/entities` (flux-wire 1.4 to 1.7). */
import { fluxDeleteFilterSchema } from "agentrux-wire";
import type { HubDeps } from "../../deps.ts";
import { HubError, isHubError } from "../../errors.ts";
import type { HubApp, HubContext } from "../../http/context.ts";
import { deleterOf, deletionsOf } from "../deletion.ts";
import { directoryText, DIRECTORY_ID } from "../directory.ts";
import { entityText, entityTextWithMeta, namespaceOf } from "../entity.ts";
import { tombstone } from "../tombstone.ts";
import { listEntities } from "./list.ts";
import { callerOf, demandedVersion, entityTag, fitting, parameter, readBody, writerOf } from "./requests.ts";

/** Any character, line breaks among them: an id is any text. */
const ENTITY_PATH = "/api/state/entities/:entity_id{[^]+}";

export function registerWorldEntityRoutes(app: HubApp, deps: HubDeps): void {
  const { world, clock } = deps;

  app.get("/api/state/entities", (c) => listEntities(c, world));

  app.get(ENTITY_PATH, (c) => {
    const id = idOf(c);
    const live = world.state.live(id);
    const isVisible = world.access.mayRead(callerOf(c, world), namespaceOf(id));
    if (live === undefined || !isVisible) {
      if (id === DIRECTORY_ID) return json(directoryText(world, callerOf(c, world)));
      throw new HubError("NOT_FOUND", "Entity not found");
    }
    const text = parameter(c, "meta") === "true" ? entityTextWithMeta(live) : entityText(live);
    return json(text, { ETag: entityTag(live.version) });
  });

  app.delete(ENTITY_PATH, async (c) => {
    const id = idOf(c);
    const principal = deleterOf(id, callerOf(c, world), world);
    const event = tombstone(id, "api", clock.now(), demandedVersion(c));
    const { eventId } = await world.writer.write({ event, principal });
    return json(JSON.stringify({ entity_id: id, eventId }));
  });

  app.post("/api/state/entities/delete", async (c) => {
    const caller = writerOf(c, world);
    const { value } = await readBody(c, world.settings.values.body_size_limit_batch_bytes);
    const filter = fitting(fluxDeleteFilterSchema, value);
    const deletions = deletionsOf(filter, caller, world, deps.config.flux.maxBatchDelete);
    if (filter.dry_run === true) {
      return json(JSON.stringify({ deleted: 0, failed: 0, errors: [], matched: deletions.length }));
    }
    const now = clock.now();
    const results = await world.writer.submit(
      deletions.map(({ id, principal }) => ({ event: tombstone(id, "api", now, undefined), principal })),
    );
    const errors = results.flatMap((result, index) =>
      isHubError(result) ? [`${deletions[index]?.id ?? ""}: ${result.message}`] : [],
    );
    return json(JSON.stringify({ deleted: results.length - errors.length, failed: errors.length, errors }));
  });
}

/** Everything behind `/api/state/entities/`, so that an id with a bare slash is found too. */
function idOf(c: HubContext): string {
  const path = c.env.incoming.url ?? "";
  const end = path.indexOf("?");
  const encoded = path.slice(path.indexOf("/entities/") + "/entities/".length, end < 0 ? undefined : end);
  try {
    return decodeURIComponent(encoded);
  } catch (cause) {
    throw new HubError("INVALID", "Invalid URL: the entity id is not valid UTF-8", { status: 400, cause });
  }
}

function json(body: string, headers: Record<string, string> = {}): Response {
  return new Response(body, { headers: { "Content-Type": "application/json", ...headers } });
}
