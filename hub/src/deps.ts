/** What every room of the hub is given. Route modules are written as `register<Area>Routes(app, deps)`. */
import type { Logger } from "pino";
import type { AccessTokens } from "./auth/access-tokens.ts";
import type { HubConfig } from "./config.ts";
import type { RateLimits } from "./http/rate-limits.ts";
import type { Clock, Metrics, Random } from "./runtime.ts";
import type { Store } from "./store/port.ts";
import type { StreamFanout } from "./topics/fanout.ts";
import type { World } from "./world/world.ts";

export interface HubDeps {
  readonly config: HubConfig;
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly tokens: AccessTokens;
  readonly limits: RateLimits;
  readonly fanout: StreamFanout;
  readonly world: World;
  /** Whether `token` is the operator's admin token; takes the same time whatever is wrong with it. */
  readonly isAdmin: (token: string) => boolean;
  /** Absolute base of the URLs the hub hands out, without trailing slash. */
  readonly baseUrl: () => string;
  /** Folder for everything the hub keeps on disk; 0700. */
  readonly dataDir: string;
  /** Registers work to end before the store closes; called by areas that run something in the background. */
  readonly onClose: (stop: () => Promise<void>) => void;
}
