import { expect, it } from "vitest";
import type { Outgoing } from "../../src/attachments/outbound.ts";
import { withAttachments } from "../../src/attachments/runner.ts";
import type { TurnRequest, TurnRunner } from "../../src/replies/turn.ts";
import { command } from "./support.ts";

it("forgets what an earlier attempt has attached before it fetches and runs", async () => {
  const order: string[] = [];
  const outgoing: Pick<Outgoing, "forget"> = {
    forget: (commandId) => Promise.resolve(void order.push(`forget ${commandId}`)),
  };
  const runner: TurnRunner = {
    run: ({ attachments }) => {
      order.push(`run with ${attachments?.length ?? 0}`);
      return Promise.resolve({ kind: "silent" });
    },
    owner: () => Promise.resolve("nobody"),
  };
  const fetch = () => {
    order.push("fetch");
    return Promise.resolve([{ name: "a", summary: "a" }]);
  };
  const request: TurnRequest = { command: command([]), address: "cmd:x~2", attempt: 2, timeoutMs: 1_000 };
  const prepared = withAttachments(runner, { fetch, outgoing: outgoing as Outgoing });
  await prepared.run(request, new AbortController().signal);
  expect(order).toEqual([`forget ${request.command.commandId}`, "fetch", "run with 1"]);
});
