/** The hub as a library. */
export { startHub, type HubOptions, type RunningHub } from "./server.ts";
export { createApp, type HubDeps } from "./app.ts";
export { HubError, isHubError, type HubErrorCode } from "./errors.ts";
export {
  DEFAULT_LIMITS,
  DEFAULT_TTLS,
  type HubConfig,
  type HubConfigInput,
  type HubLimits,
  type HubTtls,
} from "./config.ts";
export { systemClock, systemRandom, noMetrics, type Clock, type Metrics, type Random } from "./runtime.ts";
