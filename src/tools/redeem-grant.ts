/** `agentrux_redeem_grant`: turns another party's invite code into access to one of their topics. */

import { z } from "zod";
import { defineTool } from "./tool.ts";

export const redeemGrantTool = defineTool({
  name: "agentrux_redeem_grant",
  label: "Redeem an AgenTrux invite",
  description:
    "Redeems an invite code (inv_...) that another party has given to your owner, and so gets access to one of their topics. Only when your owner asks for it.",
  parameters: z.object({ invite_code: z.string().min(1).max(256).describe("The code, beginning with inv_.") }),
  optional: true,
  ownerOnly: true,
  topicTurn: "never",
  async run({ invite_code }, context, signal) {
    const client = await context.service();
    const { topicId, action } = await client.redeemInvite(invite_code.trim(), signal);
    return {
      text: `Access granted! Topic: ${topicId} (${action})`,
      details: { topic_id: topicId, action },
    };
  },
});
