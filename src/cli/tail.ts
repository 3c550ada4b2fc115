/**
 * `openclaw agentrux tail`: a topic's events as they come. Reading moves nobody's position. What strangers wrote is shown
 * without anything a terminal would obey.
 */

import { jsonText } from "../guard/json-text.ts";
import { cleanLine } from "../guard/text.ts";
import { errorText } from "../errors.ts";
import { followTopic } from "../service/follow.ts";
import type { ServiceClient, TopicEvent } from "../service/types.ts";
import { type CliContext, withService } from "./account.ts";
import { type CommandResult, done } from "./output.ts";
import type { Paint } from "./paint.ts";

export interface TailOptions {
  readonly topicId: string;
  /** Events already there to show first. */
  readonly last: number;
  /** Ends after so many events; endless when absent. */
  readonly count?: number;
  /** Ends when what is there has been shown. */
  readonly follow: boolean;
  /** Only events of this type. */
  readonly type?: string;
  readonly show: (event: TopicEvent) => void;
}

const SHOWN_CHARS = 400;

/** Shows events until Ctrl-C, or until `count` of them were shown. Nothing is printed at the end. */
export async function tail(context: CliContext, options: TailOptions): Promise<CommandResult> {
  const { signal, progress } = context;
  let shown = 0;
  const isDone = () => shown >= (options.count ?? Number.POSITIVE_INFINITY);
  const show = (event: TopicEvent): void => {
    if (isDone() || (options.type !== undefined && event.type !== options.type)) return;
    progress(undefined);
    options.show(event);
    shown += 1;
  };
  const nothing = done(undefined, []);
  const work = withService(context, async (client) => {
    const after = await showLast(client, options, show, signal);
    if (!options.follow || isDone()) return nothing;
    progress("waiting for events; Ctrl-C ends");
    const onTrouble = (reason: unknown) => progress(`waiting: ${errorText(reason)}`);
    for await (const page of followTopic(client, { topicId: options.topicId, after, signal, onTrouble })) {
      for (const event of page.events) show(event);
      if (isDone()) break;
    }
    progress(undefined);
    return nothing;
  });
  return await work.catch((error: unknown) => {
    // Ctrl-C is how this ends, whatever was under way.
    if (signal.aborted) return nothing;
    throw error;
  });
}

/** Shows what is there already, oldest first. @returns the position to go on from */
async function showLast(
  client: ServiceClient,
  { topicId, last }: TailOptions,
  show: (event: TopicEvent) => void,
  signal: AbortSignal,
): Promise<string> {
  const page = await client.pull({ topicId, limit: Math.max(last, 1), order: "desc", signal });
  if (last > 0) for (const event of page.events.toReversed()) show(event);
  return page.next ?? "";
}

/** An event as one line for a person: time, type, producer, and as much of the payload as fits. */
export function eventLine(event: TopicEvent, paint: Paint): string {
  const when = event.storedAt === undefined ? event.cursor.slice(0, 20) : cleanLine(event.storedAt, 35);
  const from = event.producer === undefined ? "" : ` ${paint("muted", cleanLine(event.producer, 50))}`;
  const body = event.payloadRef === undefined ? jsonText(event.payload) : `object ${event.payloadRef}`;
  return `${paint("muted", when)} ${paint("title", cleanLine(event.type, 80))}${from} ${cleanLine(body, SHOWN_CHARS)}`;
}
