/**
 * Owns `/api/connectors` (flux-wire 1.9): which connectors have a credential, and keeping those. The hub runs no connectors
 * itself; it is the place where their credentials lie, encrypted, for a program that does.
 */
import { FLUX_CONNECTORS, fluxConnectorTokenRequestSchema } from "agentrux-wire";
import type { HubDeps } from "../../deps.ts";
import { HubError } from "../../errors.ts";
import { SMALL_BODY_BYTES } from "../../http/body.ts";
import type { HubApp, HubContext } from "../../http/context.ts";
import type { CredentialSafe } from "../credential-safe.ts";
import type { World } from "../world.ts";
import { callerOf, fitting, readBody } from "./requests.ts";

type ConnectorName = (typeof FLUX_CONNECTORS)[number];

const POLL_INTERVAL_S: Readonly<Record<ConnectorName, number>> = {
  github: 300,
  gmail: 60,
  linkedin: 600,
  calendar: 300,
};
/** Whose credentials these are where there are no namespaces. */
const EVERYBODY = "default";

export function registerConnectorRoutes(app: HubApp, { world, store }: HubDeps, safe: CredentialSafe): void {
  const { registry } = store.world;

  app.get("/api/connectors", async (c) => {
    const stored = await registry.connectorsOf(ownerOf(c, world));
    return c.json({ connectors: FLUX_CONNECTORS.map((name) => shown(name, stored)) });
  });

  app.get("/api/connectors/:connector", async (c) => {
    const name = connectorOf(c);
    const stored = await registry.connectorsOf(ownerOf(c, world));
    return c.json({ ...shown(name, stored), poll_interval_seconds: POLL_INTERVAL_S[name] });
  });

  app.post("/api/connectors/:connector/token", async (c) => {
    const owner = ownerOf(c, world);
    const name = connectorOf(c);
    const { token } = fitting(fluxConnectorTokenRequestSchema, (await readBody(c, SMALL_BODY_BYTES)).value);
    await registry.putCredential(owner, name, safe.seal(token, owner, name));
    return c.json({ success: true });
  });

  app.delete("/api/connectors/:connector/token", async (c) => {
    const owner = ownerOf(c, world);
    const name = connectorOf(c);
    if (await registry.removeCredential(owner, name)) return c.json({ success: true });
    throw new HubError("NOT_FOUND", `No credentials found for connector '${name}'`);
  });
}

function shown(name: ConnectorName, stored: readonly string[]): object {
  const isStored = stored.includes(name);
  return { name, enabled: isStored, status: isStored ? "configured" : "not_configured" };
}

/** The namespace whose credentials a caller may see and set. */
function ownerOf(c: HubContext, world: World): string {
  if (!world.access.auth) return EVERYBODY;
  const { fault, namespace } = callerOf(c, world);
  if (fault !== undefined) throw new HubError("UNAUTHORIZED", `Invalid token: ${fault}`);
  if (namespace === undefined) throw new HubError("UNAUTHORIZED", "Invalid token: it belongs to no namespace");
  return namespace;
}

function connectorOf(c: HubContext): ConnectorName {
  const given = c.req.param("connector") ?? "";
  const name = FLUX_CONNECTORS.find((known) => known === given);
  if (name === undefined) throw new HubError("NOT_FOUND", `Connector '${given}' not found`);
  return name;
}
