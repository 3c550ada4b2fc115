import { describe, expect, it } from "vitest";
import type { AccountState } from "../../src/account/state.ts";
import { StateBoard } from "../../src/account/state-board.ts";
import { statusPatch } from "../../src/host/status.ts";

function setUp() {
  const states: AccountState[] = [];
  return { states, board: new StateBoard((state) => void states.push(state)) };
}

describe("the account's state", () => {
  it("is recovering while replies are not published, and ready with the next success", () => {
    const { states, board } = setUp();
    board.set({ kind: "ready" });
    board.publishing("replies cannot be published: 403");
    board.publishing("replies cannot be published: 403");
    board.publishing(undefined);
    expect(states).toEqual([
      { kind: "ready" },
      { kind: "recovering", reason: "replies cannot be published: 403" },
      { kind: "ready" },
    ]);
  });

  it("shows the disk before the service, and what only a person can mend before both", () => {
    const { states, board } = setUp();
    board.set({ kind: "ready" });
    board.publishing("replies");
    board.fault("disk");
    board.trouble({ kind: "fatal", error: new Error("grant revoked"), failures: 1, retryInMs: 1 }, () => undefined);
    board.trouble({ kind: "passing", error: new Error("503"), failures: 1, retryInMs: 1 }, () => undefined);
    board.fault(undefined);
    expect(states.map((state) => ("reason" in state ? state.reason : state.kind))).toEqual([
      "ready",
      "replies",
      "disk",
      expect.stringContaining("grant revoked"),
      "disk",
      expect.stringContaining("503"),
    ]);
  });

  it("in every trouble is one that the host's health monitor does not restart", () => {
    const troubled: AccountState[] = [
      { kind: "recovering", reason: "replies" },
      { kind: "standby", reason: "other" },
    ];
    for (const state of troubled) {
      expect(statusPatch(state)).toMatchObject({ lifecycle: "recovering", connected: undefined });
    }
  });
});
