import { describe, expect, it } from "vitest";
import { RateLimiter } from "../../src/http/rate-limits.ts";

function limiter(perPeriod: number, periodMs: number, burst?: number) {
  const clock = { nowMs: 0, now: () => clock.nowMs };
  return { clock, limit: new RateLimiter(clock, perPeriod, periodMs, burst) };
}

describe("RateLimiter", () => {
  it("lets a burst through, then one per refill, and says how long to wait", () => {
    const { clock, limit } = limiter(10, 10_000, 2);
    expect([limit.take("a").ok, limit.take("a").ok]).toEqual([true, true]);
    expect(limit.take("a")).toEqual({ ok: false, retryAfterS: 1 });
    clock.nowMs = 999;
    expect(limit.take("a").ok).toBe(false);
    clock.nowMs = 1000;
    expect(limit.take("a").ok).toBe(true);
    expect(limit.take("a").ok).toBe(false);
  });

  it("names a wait after which a try succeeds", () => {
    const { clock, limit } = limiter(10, 3_600_000);
    for (let i = 0; i < 10; i += 1) limit.take("a");
    const refused = limit.take("a");
    expect(refused).toEqual({ ok: false, retryAfterS: 360 });
    expect(limit.waitS("a")).toBe(360);
    clock.nowMs = 360_000;
    expect(limit.waitS("a")).toBe(0);
    expect(limit.take("a").ok).toBe(true);
  });

  it("keeps keys apart, and never saves up more than a burst", () => {
    const { clock, limit } = limiter(1, 1000, 1);
    expect(limit.take("a").ok).toBe(true);
    expect(limit.take("b").ok).toBe(true);
    clock.nowMs = 3_600_000;
    expect([limit.take("a").ok, limit.take("a").ok]).toEqual([true, false]);
  });

  it("asks without taking", () => {
    const { limit } = limiter(1, 1000);
    expect([limit.waitS("a"), limit.waitS("a")]).toEqual([0, 0]);
    expect(limit.take("a").ok).toBe(true);
  });

  it("does not freeze when the clock is set back", () => {
    const { clock, limit } = limiter(1, 1000);
    clock.nowMs = 1_000_000;
    limit.take("a");
    clock.nowMs = 0;
    expect(limit.take("a").ok).toBe(false);
    clock.nowMs = 1000;
    expect(limit.take("a").ok).toBe(true);
  });

  it("forgets keys that are full again, and refuses a flood of new ones beyond its bound", () => {
    const { clock, limit } = limiter(1, 1000);
    for (let i = 0; i < 100_000; i += 1) limit.take(`k${i}`);
    expect(limit.take("one too many")).toEqual({ ok: false, retryAfterS: 1 });
    expect(limit.take("k0").ok).toBe(false);
    clock.nowMs = 1000;
    expect(limit.take("one more").ok).toBe(true);
  });
});
