/**
 * Checks what the credential can do: whether the secret is taken, and whether it reaches the account's topics. Costs one
 * of the ten tokens an hour, because a kept token would prove nothing about the secret.
 */

import { errorText, isAgentruxError } from "../../errors.ts";
import type { CredentialedClient } from "../../service/client.ts";
import type { EventPage, TopicInfo } from "../../service/types.ts";
import { type CliContext, withService } from "../account.ts";
import { duration } from "../output.ts";
import { accountFlag } from "./files.ts";
import type { CheckReport, Finding } from "./finding.ts";
import { savedPosition } from "./waterline.ts";

const ASK_AGAIN = "Ask again; if it stays, look at the service.";

export async function checkAccess(context: CliContext): Promise<CheckReport> {
  const report = (seen: string, findings: readonly Finding[]): CheckReport => ({ check: "access", seen, findings });
  try {
    return await withService(
      context,
      async (client) => {
        const topics = await client.topics(context.signal);
        const findings = [...grantFindings(context, topics), ...(await readable(context, client))];
        return report(`the secret is taken; ${topics.length} topics within reach`, findings);
      },
      { freshToken: true },
    );
  } catch (error) {
    return report("", [refusal(context, error)]);
  }
}

function refusal({ paths, account }: CliContext, error: unknown): Finding {
  const flag = accountFlag(paths);
  const finding = (id: string, severity: Finding["severity"], cure: string): Finding => ({
    id,
    severity,
    what: `${errorText(error).replace(/\.$/, "")}.`,
    where: account.baseUrl,
    cure,
  });
  if (isAgentruxError(error, "rate_limited")) {
    const wait = error.retryAfterMs === undefined ? "later" : `in ${duration(error.retryAfterMs)}`;
    return finding("access.rate-limited", "warning", `Nothing is known about the credential; ask again ${wait}.`);
  }
  if (isAgentruxError(error, "unauthorized")) {
    const { details } = error;
    const expired =
      typeof details === "object" &&
      details !== null &&
      "reason" in details &&
      details.reason === "client_secret_expired";
    if (expired) return finding("access.secret-expired", "error", `openclaw agentrux rotate${flag}`);
    const cure = `Issue a new activation code, remove ${paths.credentials}, then: openclaw agentrux activate${flag}`;
    return finding("access.secret-refused", "error", cure);
  }
  const passing = isAgentruxError(error) && error.retryable;
  return finding("access.failed", passing ? "warning" : "error", ASK_AGAIN);
}

function grantFindings({ account }: CliContext, topics: readonly TopicInfo[]): Finding[] {
  const may = (topicId: string, action: "read" | "write") =>
    topics.some((topic) => topic.topicId === topicId && topic.actions.includes(action));
  const missing = (
    id: string,
    severity: Finding["severity"],
    what: string,
    where: string,
    action: string,
  ): Finding => ({
    id,
    severity,
    what,
    where,
    cure: `Grant ${action} on ${where} to this script; a running gateway takes it up with its next token.`,
  });
  const { commandTopicId, resultTopicId } = account;
  const findings: Finding[] = [];
  if (commandTopicId !== "" && !may(commandTopicId, "read")) {
    findings.push(missing("access.command-read", "error", "Commands cannot be read.", commandTopicId, "read"));
  }
  if (resultTopicId !== "" && !may(resultTopicId, "write")) {
    findings.push(missing("access.result-write", "error", "Replies cannot be published.", resultTopicId, "write"));
  }
  if (resultTopicId !== "" && !may(resultTopicId, "read")) {
    const what =
      "Replies cannot be looked up, so one whose sending was cut off may appear twice on a server without idempotency keys.";
    findings.push(missing("access.result-read", "info", what, resultTopicId, "read"));
  }
  return findings;
}

/** Proves that the command topic can be read, and that the read position is one of this topic. */
async function readable({ account, paths, signal }: CliContext, client: CredentialedClient): Promise<Finding[]> {
  const topicId = account.commandTopicId;
  if (topicId === "") return [];
  // Looked at before the topic: a running gateway moves it on.
  const { cursor } = await savedPosition(paths, topicId, client.generation);
  try {
    const newest = (await client.pull({ topicId, limit: 1, order: "desc", signal })).events[0]?.sequence;
    if (client.generation !== "a" || newest === undefined || cursor === undefined) return [];
    const end = await endBefore(Number(cursor), newest, (after, limit) =>
      client.pull({ topicId, after: String(after), limit, signal }),
    );
    if (end === undefined) return [];
    const what = `It is at ${cursor}, but the topic's newest event is ${end}: the topic was restored or replaced, and new commands are passed over.`;
    const cure = `openclaw agentrux waterline set ${end}${accountFlag(paths)}`;
    return [{ id: "waterline.ahead", severity: "error", what, where: paths.waterline, cure }];
  } catch (error) {
    // What is not granted has been told already.
    if (isAgentruxError(error, "forbidden")) return [];
    const passing = isAgentruxError(error) && error.retryable;
    const cure = passing ? ASK_AGAIN : "Check commandTopicId, and that the topic still exists.";
    const what = `The command topic cannot be read: ${errorText(error).replace(/\.$/, "")}.`;
    return [{ id: "access.command-topic", severity: passing ? "warning" : "error", what, where: topicId, cure }];
  }
}

/**
 * The topic's newest number, where that lies before `position`. What was answered as the newest may be the oldest:
 * generation A does not say that it answers newest first (wire spec A8).
 */
async function endBefore(
  position: number,
  newest: number,
  pull: (after: number, limit: number) => Promise<EventPage>,
): Promise<number | undefined> {
  if (position <= newest || (await pull(position - 1, 1)).next !== undefined) return undefined;
  for (let end = newest; ;) {
    const { next } = await pull(end, 100);
    if (next === undefined) return end;
    end = Number(next);
  }
}
