/** Owns `/api/namespaces` (flux-wire 1.8) and what this hub adds: a list, private namespaces, new tokens. */
import { fluxNamespaceRequestSchema } from "agentrux-wire";
import { z } from "zod";
import type { HubDeps } from "../../deps.ts";
import { HubError } from "../../errors.ts";
import { SMALL_BODY_BYTES } from "../../http/body.ts";
import type { HubApp, HubContext } from "../../http/context.ts";
import { isoTime } from "../../time.ts";
import type { WorldNamespace } from "../../store/world-port.ts";
import { tombstone } from "../tombstone.ts";
import type { World } from "../world.ts";
import { callerOf, fitting, parameter, readBody, requireAdmin } from "./requests.ts";

const NEED_ADMIN = "Admin token required";
/** Entities of a deleted namespace go so many to a commit. */
const DELETE_PIECE = 1000;
const changeSchema = z.object({ private: z.boolean() });

export function registerNamespaceRoutes(app: HubApp, { world, clock }: HubDeps): void {
  const { namespaces } = world;

  app.post("/api/namespaces", async (c) => {
    if (!world.access.auth) {
      throw new HubError("NOT_FOUND", "Namespace registration not available (auth disabled)");
    }
    requireAdmin(callerOf(c, world), NEED_ADMIN);
    const { value } = await readBody(c, SMALL_BODY_BYTES);
    const { name, private: isPrivate = false } = fitting(fluxNamespaceRequestSchema, value);
    const { namespace, token } = await namespaces.register(name, isPrivate);
    return c.json({ namespaceId: namespace.id, name, token });
  });

  app.get("/api/namespaces", (c) => {
    requireAdmin(callerOf(c, world), NEED_ADMIN);
    return c.json({ namespaces: namespaces.list().map((namespace) => shown(namespace, world)) });
  });

  app.get("/api/namespaces/:namespace", (c) => {
    const namespace = found(c, world);
    if (!world.access.auth || !world.access.mayRead(callerOf(c, world), namespace.name)) throw notFound();
    return c.json(shown(namespace, world));
  });

  app.patch("/api/namespaces/:namespace", async (c) => {
    const namespace = owned(c, world);
    const { private: isPrivate } = fitting(changeSchema, (await readBody(c, SMALL_BODY_BYTES)).value);
    return c.json(shown(await namespaces.setPrivate(namespace, isPrivate), world));
  });

  app.post("/api/namespaces/:namespace/token", async (c) => {
    const { namespace, token } = await namespaces.rotate(owned(c, world));
    return c.json({ namespaceId: namespace.id, name: namespace.name, token });
  });

  app.delete("/api/namespaces/:namespace", async (c) => {
    const caller = callerOf(c, world);
    requireAdmin(caller, NEED_ADMIN);
    const namespace = found(c, world);
    // Left behind, they would pass to whoever registers the name next.
    if (parameter(c, "entities") !== "keep") await deleteEntities(namespace.name, world, clock.now());
    await namespaces.remove(namespace);
    return c.body(null, 204);
  });
}

async function deleteEntities(name: string, world: World, now: number): Promise<void> {
  for (;;) {
    const ids = world.state.ids({ prefix: `${name}/`, order: "asc", limit: DELETE_PIECE });
    if (ids.length === 0) return;
    await world.writer.submit(ids.map((id) => ({ event: tombstone(id, "api", now, undefined), principal: name })));
  }
}

function shown({ id, name, createdAt, isPrivate }: WorldNamespace, { state }: World): object {
  const entityCount = state.entitiesIn(name);
  return { namespaceId: id, name, createdAt: isoTime(createdAt), entityCount, ...(isPrivate ? { private: true } : {}) };
}

function found(c: HubContext, world: World): WorldNamespace {
  const namespace = world.namespaces.get(c.req.param("namespace") ?? "");
  if (namespace === undefined) throw notFound();
  return namespace;
}

/** The namespace, for its owner or the operator. */
function owned(c: HubContext, world: World): WorldNamespace {
  const caller = callerOf(c, world);
  if (caller.fault !== undefined) throw new HubError("UNAUTHORIZED", caller.fault);
  const name = c.req.param("namespace") ?? "";
  if (!caller.isAdmin && caller.namespace !== name) throw new HubError("FORBIDDEN", "Token does not own namespace");
  return found(c, world);
}

function notFound(): HubError {
  return new HubError("NOT_FOUND", "Namespace not found");
}
