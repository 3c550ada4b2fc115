/** Owns the client's side of the device and topology flows: B3, B4, B5, and the page behind `verification_uri`. */
import type { RegisterClientResponse } from "agentrux-wire";
import { registerClientRequestSchema, topologyRequestSchema } from "agentrux-wire";
import type { HubDeps } from "../../deps.ts";
import { HubError } from "../../errors.ts";
import { requestBase } from "../../http/base-url.ts";
import { SMALL_BODY_BYTES, checked, parseJson, readForm, readText } from "../../http/body.ts";
import type { HubApp } from "../../http/context.ts";
import { RateLimiter, enforce } from "../../http/rate-limits.ts";
import { uuidV4 } from "../../ids.ts";
import { remoteAddress } from "../attempts.ts";
import { field } from "../oauth-form.ts";
import { VERIFICATION_PAGE, VERIFICATION_PAGE_HEADERS } from "./page.ts";
import { requestAccess } from "./requests.ts";
import { wantedScope, wantedTopology } from "./wanted.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const MAX_CLIENTS = 10_000;

export function registerDeviceRoutes(app: HubApp, deps: HubDeps): void {
  // Nobody is authenticated here, so it is the address that may not do it all day.
  const limiter = new RateLimiter(deps.clock, deps.config.limits.accessRequestsPerHour, HOUR_MS);

  app.post("/oauth/register", async (c) => {
    enforce(limiter, remoteAddress(c, deps), "registrations and access requests");
    const { client_name: name } = asInvalidRequest(
      checked,
      registerClientRequestSchema,
      parseJson(await readText(c, SMALL_BODY_BYTES)),
    );
    const createdAt = deps.clock.now();
    const client = { id: `dcr_${uuidV4(deps.random)}`, name: name.replace(/\p{Cc}/gu, " "), createdAt };
    if (!(await deps.store.devices.createClient(client, MAX_CLIENTS, createdAt - DAY_MS))) {
      throw new HubError("UNAVAILABLE", "Too many clients are registered", { retryAfterS: 3600 });
    }
    return c.json<RegisterClientResponse>(
      {
        client_id: client.id,
        client_name: client.name,
        token_endpoint_auth_method: "none",
        client_id_issued_at: Math.floor(createdAt / 1000),
      },
      201,
    );
  });

  app.post("/oauth/device/authorize", async (c) => {
    enforce(limiter, remoteAddress(c, deps), "registrations and access requests");
    const form = await readForm(c);
    const clientId = field(form, "client_id");
    const wanted = wantedScope(field(form, "scope"));
    c.header("Cache-Control", "no-store");
    return c.json(await requestAccess(deps, { clientId, clientHint: null, wanted, baseUrl: requestBase(c, deps) }));
  });

  app.post("/oauth/topology-request", async (c) => {
    enforce(limiter, remoteAddress(c, deps), "registrations and access requests");
    const form = asInvalidRequest(checked, topologyRequestSchema, await readForm(c));
    const wanted = wantedTopology(form.authorization_details);
    const clientHint = form.client_hint ?? null;
    c.header("Cache-Control", "no-store");
    return c.json(
      await requestAccess(deps, { clientId: form.client_id, clientHint, wanted, baseUrl: requestBase(c, deps) }),
    );
  });

  app.get("/device", (c) => c.body(VERIFICATION_PAGE, 200, VERIFICATION_PAGE_HEADERS));
}

/** OAuth answers 400 where the rest of the API answers 422. */
function asInvalidRequest<A extends unknown[], T>(check: (...args: A) => T, ...args: A): T {
  try {
    return check(...args);
  } catch (error) {
    if (!(error instanceof HubError)) throw error;
    throw new HubError("INVALID_REQUEST", error.message, { cause: error });
  }
}
