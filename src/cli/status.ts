/** `openclaw agentrux status`: how each account stands, from what lies on disk. Asks nobody, changes nothing. */

import { inflightFiles } from "../activation/claim.ts";
import { worldOf } from "./doctor/world.ts";
import { fileExists } from "../credentials/private-files.ts";
import { newerSecret, newerSecretText, peekCredentials } from "../credentials/store.ts";
import { readWorldProblem, type WorldProblem } from "../credentials/world-problem.ts";
import { usesFlux } from "../config/flux.ts";
import { errorText } from "../errors.ts";
import { inspectJournal, type JournalReport } from "../journal/inspect.ts";
import type { CliContext } from "./account.ts";
import { savedPosition } from "./doctor/waterline.ts";
import { type CommandResult, duration } from "./output.ts";
import type { Paint, Tone } from "./paint.ts";

type State = "working" | "stopped" | "off" | "not activated" | "misconfigured";

interface WorldStanding {
  readonly url: string | null;
  readonly namespace: string | null;
  readonly presence: boolean;
  /** Ids of those in the configuration. */
  readonly watches: readonly string[];
  readonly lastError: WorldProblem | null;
}

interface Standing {
  readonly accountId: string;
  readonly state: State;
  readonly problems: readonly string[];
  readonly baseUrl: string;
  readonly agentId: string;
  readonly commandTopicId: string;
  readonly resultTopicId: string;
  readonly generation: "a" | "b" | null;
  readonly id: string | null;
  readonly gatewayPid: number | null;
  readonly readUpTo: string | null;
  /** Null where the account has nothing to do with the world state. */
  readonly world: WorldStanding | null;
  readonly journal: Pick<JournalReport, "bytes" | "condition" | "numbers"> | null;
}

const TONES: Readonly<Record<State, Tone>> = {
  working: "good",
  stopped: "warning",
  off: "muted",
  "not activated": "bad",
  misconfigured: "bad",
};

/** Exit code 0 when every account that is switched on works or could; 1 otherwise. */
export async function status(contexts: readonly CliContext[]): Promise<CommandResult> {
  const accounts: Standing[] = [];
  const lines: string[] = [];
  for (const context of contexts) {
    const standing = await standingOf(context);
    accounts.push(standing);
    if (lines.length > 0) lines.push("");
    lines.push(...describe(standing, context.paint, context.now()));
  }
  const bad = accounts.some(({ state }) => state === "not activated" || state === "misconfigured");
  return { json: { accounts }, lines, exitCode: bad ? 1 : 0 };
}

async function standingOf({ account, paths }: CliContext): Promise<Standing> {
  const peeked = await peekCredentials(paths).catch((error: unknown) => ({
    kind: "malformed" as const,
    reason: errorText(error),
  }));
  const stored = peeked.kind === "ok" ? peeked.credentials : undefined;
  const journal = inspectJournal(paths.dir, paths.accountId);
  const { accountId, enabled, baseUrl, baseUrlIsSet, agentId, commandTopicId, resultTopicId } = account;
  const position =
    stored === undefined || commandTopicId === "" ? {} : await savedPosition(paths, commandTopicId, stored.generation);
  const newer = await newerSecret(paths);
  const problems = [
    ...account.problems,
    ...(peeked.kind === "malformed" ? [peeked.reason] : []),
    ...(newer === undefined ? [] : [newerSecretText(paths, newer)]),
    ...((await inflightFiles(paths)).length > 0 ? ["an activation is under way or was interrupted"] : []),
    ...((await fileExists(paths.bootstrap)) ? ["an activation code waits in BOOTSTRAP.md"] : []),
  ];
  const server = worldOf(account, stored);
  const { flux } = account;
  const world = {
    url: "server" in server ? server.server.url : null,
    namespace: flux.namespace ?? null,
    presence: flux.presence.enabled,
    watches: flux.watches.map(({ id }) => id),
    lastError: (await readWorldProblem(paths)) ?? null,
  };

  return {
    accountId,
    state: stateOf(enabled, account.problems.length > 0, stored !== undefined, journal?.owned === true),
    problems,
    baseUrl: baseUrlIsSet || stored === undefined ? baseUrl : stored.baseUrl,
    agentId,
    commandTopicId,
    resultTopicId,
    generation: stored?.generation ?? null,
    id: stored === undefined ? null : (stored.scriptId ?? stored.clientId),
    gatewayPid: journal?.ownerPid ?? null,
    readUpTo: position.cursor ?? null,
    world: usesFlux(flux) ? world : null,
    journal:
      journal === undefined
        ? null
        : { bytes: journal.bytes, condition: journal.condition, ...(journal.numbers && { numbers: journal.numbers }) },
  };
}

function stateOf(enabled: boolean, faulty: boolean, activated: boolean, owned: boolean): State {
  if (owned) return "working";
  if (!enabled) return "off";
  if (faulty) return "misconfigured";
  return activated ? "stopped" : "not activated";
}

function describe(standing: Standing, paint: Paint, now: number): string[] {
  const { accountId, state, gatewayPid, journal, world } = standing;
  const by = gatewayPid === null ? "" : ` (gateway pid ${gatewayPid})`;
  const facts = [
    [
      "service",
      `${standing.baseUrl}${standing.generation === null ? "" : `, generation ${standing.generation.toUpperCase()}`}`,
    ],
    ["id", standing.id ?? "none: openclaw agentrux activate"],
    ["agent", standing.agentId || "not set"],
    ["commands", standing.commandTopicId || "not set"],
    ["results", standing.resultTopicId || "not set"],
    ["read up to", standing.readUpTo ?? "nothing yet"],
    ["work", journal === null ? "nothing yet" : workLine(journal, now)],
    ...(world === null ? [] : [["world", worldLine(world)] as const]),
  ] as const;
  const trouble = world?.lastError ?? undefined;
  const notes = [
    ...standing.problems,
    ...(trouble === undefined ? [] : [`presence, ${duration(now - Date.parse(trouble.at))} ago: ${trouble.what}`]),
  ];
  return [
    `${paint("title", accountId)}: ${paint(TONES[state], state)}${by}`,
    ...facts.map(([name, value]) => `  ${paint("muted", name.padEnd(11))}${value}`),
    ...notes.map((problem) => `  ${paint("warning", "note".padEnd(11))}${problem}`),
  ];
}

function worldLine({ url, namespace, presence, watches }: WorldStanding): string {
  const where = namespace === null ? "no namespace" : `namespace ${namespace}`;
  const watched = watches.length === 0 ? "nothing watched" : `watches ${watches.join(", ")}`;
  return `${url ?? "no server: set flux.url"}, ${where}, presence ${presence ? "on" : "off"}, ${watched}`;
}

function workLine({ condition, numbers }: NonNullable<Standing["journal"]>, now: number): string {
  if (numbers === undefined) return `the journal cannot be read (${condition.kind}): openclaw agentrux doctor`;
  const { received, running, replied, deadLetters, oldestReceivedAt } = numbers;
  const oldest = oldestReceivedAt === undefined ? "" : `, the oldest for ${duration(now - oldestReceivedAt)}`;
  return `${received} waiting, ${running} running, ${replied} replies unsent, ${deadLetters} dead letters${oldest}`;
}
