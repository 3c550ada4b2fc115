/**
 * As whom a turn looks at the world. The agent's token also opens a private namespace; a stranger who has the agent look
 * around for them sees what they could see themselves. The turn of a watch looks as the agent, for the operator asked for it.
 */

import type { FluxReader } from "../../flux/client.ts";
import type { ToolContext } from "../tool.ts";

/** @throws AgentruxError `config` where there is no server */
export async function readerFor({ turn, world }: Pick<ToolContext, "turn" | "world">): Promise<FluxReader> {
  const client = await world();
  return turn === undefined || turn.watch === true ? client : client.anybody;
}
