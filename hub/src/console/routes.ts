/** Owns `/console/*`: what an operator does, over HTTP (A14 and 9.6 of the wire spec; shapes left free are ours). */
import type { ConsoleGrant, ConsoleScript, ConsoleTopic, CreateInviteResponse } from "agentrux-wire";
import type { IssueActivationCodeResponse } from "agentrux-wire";
import {
  activationTtlSeconds,
  createGrantRequestSchema,
  createInviteRequestSchema,
  createScriptRequestSchema,
  createTopicRequestSchema,
  issueActivationCodeRequestSchema,
} from "agentrux-wire";
import * as operations from "../admin/operations.ts";
import type { HubDeps } from "../deps.ts";
import { SMALL_BODY_BYTES, checked, parseJson, readJson, readText } from "../http/body.ts";
import type { HubApp } from "../http/context.ts";
import { isoTime } from "../time.ts";
import { requireAdmin } from "./admin.ts";
import { grantView, inviteView, scriptView, topicView } from "./views.ts";

export function registerConsoleRoutes(app: HubApp, deps: HubDeps): void {
  app.use("/console/*", async (c, next) => {
    await requireAdmin(c, deps);
    c.header("Cache-Control", "no-store");
    await next();
  });
  registerTopicRoutes(app, deps);
  registerScriptRoutes(app, deps);
  registerGrantRoutes(app, deps);
}

function registerTopicRoutes(app: HubApp, deps: HubDeps): void {
  app.get("/console/topics", async (c) => {
    const topics = await operations.listTopics(deps);
    return c.json({ topics: topics.map(topicView) });
  });

  app.post("/console/topics", async (c) => {
    const { name, display_name: displayName, retention_s: retentionS } = await readJson(c, createTopicRequestSchema);
    const topic = await operations.createTopic(deps, {
      name,
      ...(displayName === undefined ? {} : { displayName }),
      ...(retentionS === undefined ? {} : { retentionS }),
    });
    return c.json<ConsoleTopic>(topicView(topic), 201);
  });

  app.get("/console/topics/:topic_id/invites", async (c) => {
    const topic = await operations.resolveTopic(deps, c.req.param("topic_id"));
    const invites = await deps.store.codes.inviteCodes(topic.id);
    return c.json({ invites: invites.map((invite) => inviteView(invite, deps.clock.now())) });
  });

  app.post("/console/topics/:topic_id/invites", async (c) => {
    const { action, ttl_seconds: ttlS } = await readJson(c, createInviteRequestSchema);
    const topic = c.req.param("topic_id");
    const invite = await operations.createInvite(deps, { topic, action, ...(ttlS === undefined ? {} : { ttlS }) });
    return c.json<CreateInviteResponse>(
      {
        invite_code: invite.code,
        topic_id: invite.topicId,
        action: invite.action,
        expires_at: isoTime(invite.expiresAt),
      },
      201,
    );
  });
}

function registerScriptRoutes(app: HubApp, deps: HubDeps): void {
  app.get("/console/scripts", async (c) => {
    const scripts = await operations.listScripts(deps);
    return c.json({ scripts: scripts.map(scriptView) });
  });

  app.post("/console/scripts", async (c) => {
    const { description, name, read = [], write = [] } = await readJson(c, createScriptRequestSchema);
    const named = { name, read, write };
    const script = await operations.createScript(deps, description === undefined ? named : { ...named, description });
    return c.json<ConsoleScript>(scriptView(script), 201);
  });

  app.post("/console/scripts/:script_id/activation-codes", async (c) => {
    const text = await readText(c, SMALL_BODY_BYTES);
    // The vendor's console may well send no body at all: everything in it has a default.
    const body: unknown = text.trim() === "" ? {} : parseJson(text);
    const request = checked(issueActivationCodeRequestSchema, body);
    const issued = await operations.issueActivationCode(deps, {
      script: c.req.param("script_id"),
      ttlS: activationTtlSeconds(request),
      generation: request.generation ?? "a",
    });
    return c.json<IssueActivationCodeResponse>(
      { activation_code: issued.code, script_id: issued.scriptId, expires_at: isoTime(issued.expiresAt) },
      201,
    );
  });
}

function registerGrantRoutes(app: HubApp, deps: HubDeps): void {
  app.get("/console/grants", async (c) => {
    const grants = await operations.listGrants(deps, c.req.query("script_id"));
    return c.json({ grants: grants.map(grantView) });
  });

  app.post("/console/grants", async (c) => {
    const request = await readJson(c, createGrantRequestSchema);
    const grant = await operations.grant(deps, request.script_id, request.topic_id, request.action);
    return c.json<ConsoleGrant>(grantView(grant), 201);
  });

  app.delete("/console/grants/:grant_id", async (c) => {
    await operations.revokeGrant(deps, c.req.param("grant_id"));
    return c.body(null, 204);
  });
}
