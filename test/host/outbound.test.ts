import { describe, expect, it } from "vitest";
import { outbound } from "../../src/host/outbound.ts";

describe("what the host says of its own accord", () => {
  it("is not passed on when it is the error of a resumed turn", () => {
    const failed = { text: "LLM request failed: provider rejected the request", isError: true };
    expect(outbound.normalizePayload?.({ payload: failed, cfg: {} })).toBeNull();
    const answer = { text: "done" };
    expect(outbound.normalizePayload?.({ payload: answer, cfg: {} })).toBe(answer);
  });
});
