import { describe, expect, it } from "vitest";
import * as admin from "../../src/admin/operations.ts";
import { activate, call, testHub, tokenA } from "../support/hub.ts";

async function inviteBench() {
  const hub = await testHub();
  const topic = await admin.createTopic(hub.deps, { name: "shared" });
  const agent = await activate(hub, {});
  const invite = await admin.createInvite(hub.deps, { topic: "shared", action: "read" });
  const redeem = (invite_code: string, path = "/auth/redeem-invite-code", client_secret = agent.secret) =>
    call(hub.url, "POST", path, { body: { invite_code, script_id: agent.scriptId, client_secret } });
  return { hub, topic, agent, invite, redeem };
}

describe("invite codes", () => {
  it("give a grant that a token issued afterwards carries", async () => {
    const { hub, topic, agent, invite, redeem } = await inviteBench();
    expect(invite.code).toMatch(/^inv_[A-Za-z0-9_-]{43}$/);
    const answer = await redeem(invite.code);
    expect(answer.status).toBe(200);
    expect(answer.json).toEqual({ topic_id: topic.id, action: "read", grant_id: expect.any(String) });
    const token = await tokenA(hub, agent.scriptId, agent.secret);
    expect((await call(hub.url, "GET", `/topics/${topic.id}/events`, { token })).status).toBe(200);
  });

  it("are spent once: 409 afterwards, one winner of a race", async () => {
    const { invite, redeem } = await inviteBench();
    const answers = await Promise.all(Array.from({ length: 8 }, () => redeem(invite.code)));
    const statuses = answers.map((answer) => answer.status).sort((a, b) => a - b);
    expect(statuses).toEqual([200, 409, 409, 409, 409, 409, 409, 409]);
    const late = await redeem(invite.code, "/auth/redeem-grant");
    expect([late.status, late.json["error"]?.["code"]]).toEqual([409, "CONFLICT"]);
  });

  it("work under the old name of the endpoint", async () => {
    const { invite, redeem } = await inviteBench();
    expect((await redeem(invite.code, "/auth/redeem-grant")).status).toBe(200);
  });

  it("are refused when unknown, expired or brought with a wrong secret, and are not spent by it", async () => {
    const { hub, invite, redeem } = await inviteBench();
    expect((await redeem("inv_unknown")).status).toBe(404);
    expect((await redeem(invite.code, "/auth/redeem-invite-code", "aks_wrong")).status).toBe(401);
    hub.clock.advance(24 * 3_600_000 + 1000);
    expect((await redeem(invite.code)).status).toBe(422);
    hub.clock.advance(-3_600_000);
    expect((await redeem(invite.code)).status).toBe(200);
  });
});
