import { describe, expect, it } from "vitest";
import { outbound } from "../../src/host/outbound.ts";

describe("what the host says of its own accord", () => {
  it("is not passed on when it is the error of a resumed turn", () => {
    const failed = { text: "LLM request failed: provider rejected the request", isError: true };
    expect(outbound.normalizePayload?.({ payload: failed, cfg: {} })).toBeNull();
    const answer = { text: "done" };
    expect(outbound.normalizePayload?.({ payload: answer, cfg: {} })).toBe(answer);
  });

  it("is not passed on when it is the host's own word, and refused while the account it is for does not run", async () => {
    const send = (text: string) => outbound.sendText?.({ cfg: {}, to: "agentrux:cmd:aa11~1", text });
    const notices = [
      "I'm continuing your interrupted request now (the gateway has just restarted).",
      "\u26a0\ufe0f OpenClaw couldn't produce or deliver a reply. Please try again. If this keeps happening, ask the operator.",
    ];
    for (const notice of notices) expect(await send(notice)).toMatchObject({ messageId: "cmd:aa11~1#notice" });
    await expect(send("the answer")).rejects.toThrow("the account default is not running");
  });
});
