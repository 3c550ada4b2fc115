import { describe, expect, it } from "vitest";
import { decideSender } from "../../src/guard/senders.ts";

const ADA = "0190a0a0-0000-7000-8000-000000000001";
const list = (...allowFrom: string[]) => ({ dmPolicy: "allowlist", allowFrom }) as const;

describe("decideSender", () => {
  it("takes everybody when open, also whom the service does not name", () => {
    expect(decideSender({ dmPolicy: "open", allowFrom: [] }, ADA)).toBe("allowed");
    expect(decideSender({ dmPolicy: "open", allowFrom: ["x"] }, undefined)).toBe("allowed");
  });

  it("takes nobody when disabled, the listed included", () => {
    expect(decideSender({ dmPolicy: "disabled", allowFrom: ["*", ADA] }, ADA)).toBe("senders_disabled");
  });

  it.each([`scr_${ADA}`, ADA, ADA.toUpperCase(), ` SCR_${ADA} `])("knows a listed script as %j", (written) => {
    expect(decideSender(list(written), ADA)).toBe("allowed");
    expect(decideSender(list(written), `scr_${ADA}`)).toBe("allowed");
  });

  it("takes nobody else, and nobody by an empty list", () => {
    expect(decideSender(list(ADA), `${ADA}0`)).toBe("sender_not_allowed");
    expect(decideSender(list(ADA), ADA.slice(0, -1))).toBe("sender_not_allowed");
    expect(decideSender(list(), ADA)).toBe("sender_not_allowed");
  });

  it.each([undefined, "", "  ", "scr_"])("does not take %j for a sender, whatever is listed", (producer) => {
    expect(decideSender(list("", " ", "scr_", "*"), producer)).toBe("sender_not_allowed");
  });

  it("takes every named sender by a star", () => {
    expect(decideSender(list("*"), ADA)).toBe("allowed");
  });
});
