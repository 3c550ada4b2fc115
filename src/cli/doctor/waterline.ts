/** Checks the read position as it lies there, without repairing the file. */

import type { AccountConfig } from "../../config/account.ts";
import type { AccountPaths } from "../../credentials/home.ts";
import { errnoOf } from "../../credentials/private-files.ts";
import { readSmallFile } from "../../credentials/read.ts";
import { peekCredentials } from "../../credentials/store.ts";
import { errorText } from "../../errors.ts";
import { parsePositions } from "../../intake/positions.ts";
import type { Generation } from "../../service/types.ts";
import { accountFlag } from "./files.ts";
import type { CheckReport, Finding } from "./finding.ts";

/** The saved position of a topic, or why it cannot be told; neither where it was never read. */
export async function savedPosition(
  paths: AccountPaths,
  topicId: string,
  generation: Generation,
): Promise<{ readonly cursor?: string; readonly problem?: string }> {
  try {
    const file = await readSmallFile(paths.waterline);
    const parsed = file.kind === "file" ? parsePositions(file.bytes.toString("utf8")) : { ok: false as const, ...file };
    if (!parsed.ok) return { problem: `${paths.waterline} ${parsed.reason}` };
    if (parsed.positions.unreadable.has(topicId)) return { problem: "the saved position is not readable" };
    const cursor = parsed.positions.topics.get(topicId)?.[generation];
    return cursor === undefined ? {} : { cursor };
  } catch (error) {
    return errnoOf(error) === "ENOENT" ? {} : { problem: errorText(error) };
  }
}

export async function checkWaterline(paths: AccountPaths, account: AccountConfig): Promise<CheckReport | undefined> {
  const peeked = await peekCredentials(paths).catch(() => undefined);
  if (peeked?.kind !== "ok" || account.commandTopicId === "") return undefined;
  const { cursor, problem } = await savedPosition(paths, account.commandTopicId, peeked.credentials.generation);
  const seen = cursor === undefined ? "never read: begins at the newest event" : `read up to ${cursor}`;
  if (problem === undefined) return { check: "waterline", seen, findings: [] };
  const what = `${problem}. The gateway goes on from what its journal remembers.`;
  const cure = `openclaw agentrux waterline set <position>${accountFlag(paths)}`;
  const finding: Finding = { id: "waterline.unreadable", severity: "warning", what, where: paths.waterline, cure };
  return { check: "waterline", seen, findings: [finding] };
}
