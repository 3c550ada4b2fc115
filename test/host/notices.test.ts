import { describe, expect, it } from "vitest";
import { isHostNotice } from "../../src/host/notices.ts";

describe("isHostNotice", () => {
  it("knows the notices of a restart, with either apostrophe", () => {
    expect(isHostNotice("I'm continuing your interrupted request now (the gateway has just restarted).")).toBe(true);
    expect(isHostNotice("I\u2019m continuing your interrupted request now")).toBe(true);
    expect(isHostNotice("I couldn\u2019t confirm whether my previous reply reached this chat, so I won\u2019t")).toBe(
      true,
    );
    expect(isHostNotice("I couldn't continue this session after a gateway restart. Your transcript is safe.")).toBe(
      true,
    );
  });

  it("takes an answer for an answer", () => {
    expect(isHostNotice("I'm continuing.")).toBe(false);
    expect(isHostNotice("The notice says: I'm continuing your interrupted request now")).toBe(false);
    expect(isHostNotice("")).toBe(false);
  });
});
