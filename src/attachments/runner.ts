/** Puts fetching attachments before every turn that has some, and begins every turn without files of an earlier try. */

import type { TurnRunner } from "../replies/turn.ts";
import type { FetchAttachments } from "./inbound.ts";
import type { Outgoing } from "./outbound.ts";

export interface AttachmentRooms {
  readonly fetch?: FetchAttachments;
  readonly outgoing?: Outgoing;
}

export function withAttachments(runner: TurnRunner, { fetch, outgoing }: AttachmentRooms): TurnRunner {
  return {
    async run(request, signal) {
      const { command, timeoutMs } = request;
      await outgoing?.forget(command.commandId);
      const attachments = (await fetch?.(command, timeoutMs, signal)) ?? [];
      return await runner.run(attachments.length === 0 ? request : { ...request, attachments }, signal);
    },
    owner: (request) => runner.owner(request),
  };
}
