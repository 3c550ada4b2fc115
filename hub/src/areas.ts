/** The areas of the API, in the order their routes are registered. */
import type { HubDeps } from "./deps.ts";
import type { HubApp } from "./http/context.ts";

export type RegisterRoutes = (app: HubApp, deps: HubDeps) => void;

export const AREAS: readonly RegisterRoutes[] = [];
