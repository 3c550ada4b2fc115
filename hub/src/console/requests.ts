/** Owns `/console/requests`: the operator's view of clients that ask for access, and the decision. */
import { z } from "zod";
import { approve, deny } from "../auth/device/approval.ts";
import { wantedFromJson } from "../auth/device/wanted.ts";
import type { HubDeps } from "../deps.ts";
import { SMALL_BODY_BYTES, checked, parseJson, readText } from "../http/body.ts";
import type { HubApp } from "../http/context.ts";
import type { AccessRequest } from "../store/device-port.ts";
import { isoTime } from "../time.ts";

const references = z.array(z.string().min(1).max(200)).max(100);
const decisionSchema = z.object({
  script: z.string().min(1).max(200).optional(),
  read: references.optional(),
  write: references.optional(),
  reuse_topics: z.boolean().optional(),
});

/** Must be registered after the console's door. */
export function registerAccessRequestRoutes(app: HubApp, deps: HubDeps): void {
  app.get("/console/requests", async (c) => {
    const requests = await deps.store.devices.openRequests(deps.clock.now());
    return c.json({ requests: requests.map(requestView) });
  });

  app.post("/console/requests/:user_code/approve", async (c) => {
    const text = await readText(c, SMALL_BODY_BYTES);
    const body: unknown = text.trim() === "" ? {} : parseJson(text);
    const { script, read, write, reuse_topics: reuseTopics } = checked(decisionSchema, body);
    const approved = await approve(deps, c.req.param("user_code"), {
      ...(script === undefined ? {} : { script }),
      ...(read === undefined ? {} : { read }),
      ...(write === undefined ? {} : { write }),
      ...(reuseTopics === undefined ? {} : { reuseTopics }),
    });
    return c.json({ script_id: approved.scriptId, client_id: approved.credentialId });
  });

  app.post("/console/requests/:user_code/deny", async (c) => {
    await deny(deps, c.req.param("user_code"));
    return c.body(null, 204);
  });
}

function requestView(request: AccessRequest): object {
  const wanted = wantedFromJson(request.wantedJson);
  return {
    user_code: request.userCode,
    client_id: request.clientId,
    client_name: request.clientName,
    client_hint: request.clientHint,
    ...(wanted.kind === "device"
      ? { kind: "device", actions: wanted.actions }
      : {
          kind: "topology",
          script: wanted.entry.script,
          topics: wanted.entry.topics,
          grants: wanted.entry.grants,
        }),
    created_at: isoTime(request.createdAt),
    expires_at: isoTime(request.expiresAt),
  };
}
