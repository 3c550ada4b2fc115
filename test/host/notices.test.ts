import { describe, expect, it } from "vitest";
import { isHostNotice, missingAnswer } from "../../src/host/notices.ts";

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

describe("missingAnswer", () => {
  const failed =
    "\u26a0\ufe0f OpenClaw couldn't produce or deliver a reply. Please try again. If this keeps happening, ask the operator to check the gateway logs.";
  const full =
    "This message was not queued because the session queue is full. Please try again after the current response finishes.";

  it("knows what the host says in place of an answer, also with a reference", () => {
    expect(missingAnswer(failed)).toBe("no answer");
    expect(missingAnswer(`${failed} Reference: 1f2e-3d.`)).toBe("no answer");
    expect(missingAnswer(full)).toBe("queue full");
    expect([failed, full].map(isHostNotice)).toEqual([true, true]);
  });

  it("takes an answer that quotes it for an answer", () => {
    for (const words of [failed, full]) {
      expect(missingAnswer(`The log says: ${words}`)).toBeUndefined();
      expect(missingAnswer(`${words}\nThat is all.`)).toBeUndefined();
    }
    expect(missingAnswer("")).toBeUndefined();
  });
});
