import { describe, expect, it } from "vitest";
import { isGivenUp, refusalReason } from "../../src/host/refusal.ts";

function named(name: string, message = "m"): Error {
  return Object.assign(new Error(message), { name });
}

describe("an error of the host", () => {
  it.each([
    [named("GatewayDrainingError"), "draining"],
    [new Error("Restart recovery failed: agent:main:agentrux:group:x. See Gateway logs."), "starting"],
    [named("StateDatabaseCoordinatorContentionError"), "capacity"],
    [named("SessionWorkStartChangedError"), "capacity"],
  ])("is a refusal: %s", (error, reason) => {
    expect(refusalReason(error)).toBe(reason);
  });

  it.each([
    new Error("Gateway is draining"),
    named("SessionRestartRecoveryTombstoneError"),
    new Error("the model said: Restart recovery failed: x"),
    "GatewayDrainingError",
    undefined,
  ])("is a failure: %s", (error) => {
    expect(refusalReason(error)).toBeUndefined();
  });

  it("says when a session is lost for good", () => {
    expect(isGivenUp(named("SessionRestartRecoveryTombstoneError"))).toBe(true);
    expect(isGivenUp(named("SessionWorkStartChangedError"))).toBe(false);
  });
});
