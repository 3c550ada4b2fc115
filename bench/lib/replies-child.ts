/** A process that publishes replies from a journal, with the plugin's outbox and nothing else. */

import { createHash } from "node:crypto";
import { openJournal } from "../../src/journal/journal.ts";
import type { AdmissionRow, Journal } from "../../src/journal/types.ts";
import { createReplyChannel } from "../../src/replies/channel.ts";
import { composeReply } from "../../src/replies/compose.ts";
import { createOutbox } from "../../src/replies/outbox.ts";
import { systemClock } from "../../src/replies/ports.ts";
import type { Command } from "../../src/replies/turn.ts";
import { createServiceClient } from "../../src/service/client.ts";
import type { ServiceClient } from "../../src/service/types.ts";
import { monotonicMs } from "./clock.ts";
import { serve } from "./ipc.ts";
import { EVENT_BYTES } from "./place.ts";
import type { RepliesApi } from "./replies-api.ts";

const CONVERSATIONS = 1_000;
const ROWS_AT_ONCE = 1_000;
const MESSAGE = "x".repeat(EVENT_BYTES);

interface Prepared {
  readonly journal: Journal;
  readonly client: ServiceClient;
  readonly topicId: string;
  readonly replies: number;
}

const complain = (line: string): void => void process.stderr.write(`${line}\n`);
let prepared: Prepared | undefined;

/** A command whose reply stands beside it from the first moment, as a rejected one's does. */
function repliedRow(topicId: string, index: number): AdmissionRow {
  const commandId = createHash("sha256").update(`${topicId} ${index}`).digest("hex").slice(0, 32);
  const conversationKey = `c${index % CONVERSATIONS}`;
  const command: Command = {
    commandId,
    topicId,
    eventId: commandId,
    requestId: `r${index}`,
    conversationKey,
    message: "",
    attachments: [],
    eventType: "openclaw.request",
    hops: 0,
    traceId: commandId,
  };
  const replies = composeReply(command, { status: "completed", message: MESSAGE }, 0);
  return { commandId, producer: "", lane: conversationKey, body: JSON.stringify(command), replies };
}

const api: RepliesApi = {
  async prepare({ directory, credentials, topicId, replies }) {
    const journal = (await openJournal({ directory })).account("default");
    for (let first = 0; first < replies; first += ROWS_AT_ONCE) {
      const count = Math.min(ROWS_AT_ONCE, replies - first);
      const rows = Array.from({ length: count }, (_, index) => repliedRow(topicId, first + index));
      await journal.admit(topicId, rows, Date.now());
    }
    const client = createServiceClient(credentials);
    await client.probe(AbortSignal.timeout(10_000));
    prepared = { journal, client, topicId, replies };
  },

  async publishAll() {
    if (prepared === undefined) throw new Error("nothing is prepared");
    const { journal, client, topicId, replies } = prepared;
    const begin = monotonicMs();
    await new Promise<void>((resolve, reject) => {
      let done = 0;
      const outbox = createOutbox({
        journal,
        channel: createReplyChannel(client, topicId),
        clock: systemClock,
        random: Math.random,
        log: { info: () => undefined, warn: complain, error: complain },
        onDone(_command, end) {
          if (end === "expired") reject(new Error("a reply was given up"));
          done += 1;
          if (done === replies) resolve();
        },
      });
      outbox.start().catch(reject);
    });
    return monotonicMs() - begin;
  },
};

serve(api);
