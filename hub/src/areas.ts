/** The areas of the API, in the order their routes are registered. */
import { registerActivationRoutes } from "./auth/activation.ts";
import { registerDeviceRoutes } from "./auth/device/routes.ts";
import { registerInviteRoutes } from "./auth/invites.ts";
import { registerOAuthTokenRoute } from "./auth/oauth.ts";
import { registerTokenRoutesA } from "./auth/tokens-a.ts";
import { registerAccessRequestRoutes } from "./console/requests.ts";
import { registerConsoleRoutes } from "./console/routes.ts";
import type { HubDeps } from "./deps.ts";
import type { HubApp } from "./http/context.ts";
import { registerHealthRoutes } from "./http/health.ts";
import { registerOpenApiRoutes } from "./observe/openapi/routes.ts";
import { registerObserveRoutes } from "./observe/routes.ts";
import { registerPayloadRoutes } from "./payloads/index.ts";
import { registerTopicListRoute } from "./topics/list.ts";
import { registerPublishRoutes } from "./topics/publish.ts";
import { registerEventRoute, registerPullRoutes } from "./topics/pull.ts";
import { registerStreamRoute } from "./topics/stream.ts";
import { registerWebhookRoutes } from "./webhooks/routes.ts";
import { registerWorldRoutes } from "./world/http/routes.ts";

export type RegisterRoutes = (app: HubApp, deps: HubDeps) => void;

export const AREAS: readonly RegisterRoutes[] = [
  registerObserveRoutes,
  registerHealthRoutes,
  registerOpenApiRoutes,
  registerActivationRoutes,
  registerTokenRoutesA,
  registerInviteRoutes,
  registerOAuthTokenRoute,
  registerDeviceRoutes,
  registerTopicListRoute,
  registerPublishRoutes,
  registerPullRoutes,
  registerStreamRoute,
  registerEventRoute,
  registerPayloadRoutes,
  registerConsoleRoutes,
  registerAccessRequestRoutes,
  registerWebhookRoutes,
  registerWorldRoutes,
];
