import type { Log } from "../../src/replies/ports.ts";
import type { Command } from "../../src/replies/turn.ts";

export function command(extra: Partial<Command> = {}): Command {
  return {
    commandId: "ab".repeat(16),
    topicId: "t",
    eventId: "evt_1",
    requestId: "r1",
    conversationKey: "c1",
    message: "hello",
    attachments: [],
    eventType: "openclaw.request",
    hops: 2,
    traceId: "trace",
    ...extra,
  };
}

/** A log that remembers. */
export function memoryLog(): Log & { readonly lines: string[] } {
  const lines: string[] = [];
  const add =
    (level: string) =>
    (line: string): void =>
      void lines.push(`${level} ${line}`);
  return { lines, info: add("info"), warn: add("warn"), error: add("error") };
}
