/**
 * Compares what was asked with everything that stands on the result topic in the end, in the manner of Jepsen: it knows
 * nothing of how the replies came about.
 */

import type { ServiceClient } from "../../src/service/types.ts";

/** A command as it was published. */
export interface Asked {
  readonly requestId: string;
  readonly conversation: string;
  readonly message: string;
  /** The terminal status its reply must have; absent where any will do. */
  readonly status?: string;
}

/** What stands on the result topic, oldest first. */
export type ResultEvent = Readonly<Record<string, unknown>>;

const PAGE = 200;
const TERMINAL = new Set(["completed", "failed", "timeout", "rejected"]);

/** The payload of every event of a topic, page by page, by a client that meets no faults. */
export async function wholeTopic(client: ServiceClient, topicId: string): Promise<readonly ResultEvent[]> {
  const all: ResultEvent[] = [];
  for (let after = ""; ;) {
    const page = await client.pull({ topicId, after, limit: PAGE, signal: AbortSignal.timeout(20_000) });
    for (const event of page.events) all.push(event.payload as ResultEvent);
    if (page.events.length === 0) return all;
    after = page.next ?? after;
  }
}

export function terminalReplies(results: readonly ResultEvent[]): readonly ResultEvent[] {
  return results.filter((result) => result["final"] === true);
}

/** Every way in which the results break a promise; empty when they keep all of them. */
export function violations(asked: readonly Asked[], results: readonly ResultEvent[]): readonly string[] {
  const terminal = terminalReplies(results);
  return [
    ...asked.flatMap((one) => answeredOnce(one, terminal)),
    ...phantoms(asked, results),
    ...repeats(results),
    ...brokenParts(results),
    ...disorder(asked, terminal),
  ];
}

function answeredOnce(asked: Asked, terminal: readonly ResultEvent[]): readonly string[] {
  const own = terminal.filter((reply) => reply["request_id"] === asked.requestId);
  const [reply] = own;
  if (reply === undefined) return [`${asked.requestId} has no reply`];
  if (own.length > 1) return [`${asked.requestId} has ${own.length} terminal replies`];
  const found: string[] = [];
  const { status, message, conversation_key: conversation } = reply;
  if (!TERMINAL.has(String(status))) found.push(`${asked.requestId} ends with status ${String(status)}`);
  if (asked.status !== undefined && status !== asked.status) {
    found.push(`${asked.requestId} is ${String(status)}, not ${asked.status}`);
  }
  if (conversation !== asked.conversation) found.push(`${asked.requestId} is answered in another conversation`);
  const whole = reply["parts"] === undefined && reply["message_object"] === undefined;
  if (status === "completed" && whole && message !== `echo: ${asked.message}`) {
    found.push(`${asked.requestId} has somebody else's answer`);
  }
  return found;
}

function phantoms(asked: readonly Asked[], results: readonly ResultEvent[]): readonly string[] {
  const known = new Set<unknown>(asked.map(({ requestId }) => requestId));
  return results
    .filter((result) => !known.has(result["request_id"]))
    .map((result) => `nobody asked ${String(result["request_id"])}`);
}

function repeats(results: readonly ResultEvent[]): readonly string[] {
  const counts = Map.groupBy(results, (result) => result["reply_id"]);
  return [...counts]
    .filter(([, same]) => same.length > 1)
    .map(([id, same]) => `${String(id)} stands ${same.length} times`);
}

/** The parts of a long reply come in order and complete, the terminal one last. */
function brokenParts(results: readonly ResultEvent[]): readonly string[] {
  const byRequest = Map.groupBy(
    results.filter((result) => result["parts"] !== undefined),
    (result) => result["request_id"],
  );
  return [...byRequest].flatMap(([requestId, parts]) => {
    const numbers = parts.map((result) => result["part"]);
    const wanted = Array.from({ length: Number(parts[0]?.["parts"]) }, (_, index) => index + 1);
    return numbers.join() === wanted.join() ? [] : [`${String(requestId)} has the parts ${numbers.join()}`];
  });
}

/** Within a conversation replies stand in the order of the commands. */
function disorder(asked: readonly Asked[], terminal: readonly ResultEvent[]): readonly string[] {
  return [...Map.groupBy(asked, ({ conversation }) => conversation)].flatMap(([conversation, commands]) => {
    const wanted = commands.map(({ requestId }) => requestId);
    const own = new Set<unknown>(wanted);
    const found = terminal.map((reply) => reply["request_id"]).filter((id) => own.has(id));
    return found.join() === wanted.join() ? [] : [`${conversation} is answered in the order ${found.join()}`];
  });
}
