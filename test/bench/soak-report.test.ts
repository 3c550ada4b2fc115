import { describe, expect, it } from "vitest";
import { slopePerHour, type SoakReading } from "../../bench/lib/soak-report.ts";

const MINUTE_MS = 60_000;

function readings(live: (minute: number) => number): SoakReading[] {
  return Array.from({ length: 120 }, (_, minute) => ({
    sinceMs: minute * MINUTE_MS,
    live: live(minute),
    resident: 200,
    hubResident: 100,
    handles: 10,
    descriptors: 40,
    hubDescriptors: 40,
    wal: 16,
    journal: 1,
    backlog: 0,
  }));
}

describe("the slope of a long run", () => {
  it("is what is gained per hour", () => {
    expect(
      slopePerHour(
        readings((minute) => 30 + minute / 2),
        "live",
      ),
    ).toBeCloseTo(30);
  });

  it("leaves the warming up out", () => {
    expect(
      slopePerHour(
        readings((minute) => Math.min(minute, 30)),
        "live",
      ),
    ).toBeCloseTo(0);
  });

  it("is nothing for a level reading", () => {
    expect(
      slopePerHour(
        readings(() => 30),
        "resident",
      ),
    ).toBeCloseTo(0);
  });
});
