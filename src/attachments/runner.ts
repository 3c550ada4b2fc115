/** Puts fetching attachments before every turn that has some. */

import type { TurnRunner } from "../replies/turn.ts";
import type { FetchAttachments } from "./inbound.ts";

export function withAttachments(runner: TurnRunner, fetch: FetchAttachments): TurnRunner {
  return {
    async run(request, signal) {
      const attachments = await fetch(request.command, request.timeoutMs, signal);
      return await runner.run(attachments.length === 0 ? request : { ...request, attachments }, signal);
    },
    owner: (request) => runner.owner(request),
  };
}
