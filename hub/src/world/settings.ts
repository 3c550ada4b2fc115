/**
 * Owns what can be set while the hub runs: the four values of `/api/admin/config`. They are kept in the store, so a restart
 * does not forget them, and each of them has an effect.
 */
import { fluxConfigSchema, type FluxConfig } from "agentrux-wire";
import { HubError } from "../errors.ts";
import { RateLimiter } from "../http/rate-limits.ts";
import type { Clock } from "../runtime.ts";
import type { WorldRegistry } from "../store/world-port.ts";

export const DEFAULT_SETTINGS: FluxConfig = {
  rate_limit_enabled: true,
  rate_limit_per_namespace_per_minute: 10_000,
  body_size_limit_single_bytes: 1024 * 1024,
  body_size_limit_batch_bytes: 10 * 1024 * 1024,
};

/** The stock server's, whatever the bucket holds (flux-wire 1.1). */
const RETRY_AFTER_S = 60;
const MINUTE_MS = 60_000;

export class Settings {
  readonly #registry: WorldRegistry;
  readonly #clock: Clock;
  #values: FluxConfig;
  #limiter: RateLimiter;

  private constructor(registry: WorldRegistry, clock: Clock, values: FluxConfig) {
    this.#registry = registry;
    this.#clock = clock;
    this.#values = values;
    this.#limiter = this.#newLimiter();
  }

  static async open(registry: WorldRegistry, clock: Clock): Promise<Settings> {
    const kept = await registry.settings();
    const values = kept === undefined ? DEFAULT_SETTINGS : fluxConfigSchema.parse(JSON.parse(kept));
    return new Settings(registry, clock, values);
  }

  get values(): FluxConfig {
    return this.#values;
  }

  async change(some: Partial<FluxConfig>): Promise<FluxConfig> {
    const values = { ...this.#values, ...some };
    await this.#registry.putSettings(JSON.stringify(values));
    const limit = this.#values.rate_limit_per_namespace_per_minute;
    this.#values = values;
    if (values.rate_limit_per_namespace_per_minute !== limit) this.#limiter = this.#newLimiter();
    return values;
  }

  /** Takes one write of a namespace's share; the refusal where there is none left. */
  takeWrite(namespace: string): HubError | undefined {
    if (!this.#values.rate_limit_enabled || this.#limiter.take(namespace).ok) return undefined;
    return new HubError("RATE_LIMITED", "rate limit exceeded", { retryAfterS: RETRY_AFTER_S });
  }

  #newLimiter(): RateLimiter {
    return new RateLimiter(this.#clock, this.#values.rate_limit_per_namespace_per_minute, MINUTE_MS);
  }
}
