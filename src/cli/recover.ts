/**
 * `openclaw agentrux recover`: what becomes of a `BOOTSTRAP.md.inflight` whose activation was interrupted.
 *
 *     younger than a call can last ------> left alone: it may be in use
 *     credentials exist -----------------> set aside: it is not needed
 *     its code was sent, no answer came -> set aside: it is never sent a second time
 *     no code in it, or a newer one waits > set aside
 *     otherwise -------------------------> put back as BOOTSTRAP.md: its code was not sent by this plugin
 *
 * Nothing is deleted, and no call is made: the file put back goes through the ritual like any other.
 */

import { stat } from "node:fs/promises";
import { wasSentUnanswered } from "../activation/attempt.ts";
import { type Claim, claimOrphan, inflightFiles } from "../activation/claim.ts";
import { decodeText, findCode } from "../activation/code.ts";
import { quarantine } from "../activation/quarantine.ts";
import { fileExists } from "../credentials/private-files.ts";
import { readSmallFile } from "../credentials/read.ts";
import { loadCredentials } from "../credentials/store.ts";
import { isOwned, lastOwner } from "../journal/lock.ts";
import type { CliContext } from "./account.ts";
import { type CommandResult, done, duration, failed } from "./output.ts";

/** Longer than an activation call lasts, its grace and a busy disk included. */
const IN_USE_MS = 120_000;

type Plan = "leave" | "set-aside" | "put-back";

interface Orphan {
  readonly path: string;
  readonly ageMs: number;
  readonly plan: Plan;
  readonly why: string;
}

export interface RecoverOptions {
  /** Asks a person; undefined where nobody can be asked. */
  readonly confirm: (question: string) => Promise<boolean | undefined>;
  readonly yes: boolean;
}

export async function recover(context: CliContext, options: RecoverOptions): Promise<CommandResult> {
  const { paths } = context;
  const hasCredentials = (await loadCredentials(paths)).kind === "ok";
  const gatewayPid = isOwned(paths.dir) ? lastOwner(paths.dir) : undefined;
  const orphans: Orphan[] = [];
  for (const path of await inflightFiles(paths)) {
    const orphan = await judge(context, path, hasCredentials);
    if (orphan !== undefined) orphans.push(orphan);
  }
  const facts = { credentials: hasCredentials, gatewayPid: gatewayPid ?? null };
  if (orphans.length === 0) return done({ ...facts, files: [] }, ["No activation was interrupted: nothing to do."]);
  const shown = [...orphans.map(describe), knownLine(hasCredentials, gatewayPid)];
  const movable = orphans.filter(({ plan }) => plan !== "leave");
  const files = (moved: ReadonlyMap<string, string>) =>
    orphans.map((orphan) => ({ ...orphan, movedTo: moved.get(orphan.path) ?? null }));
  if (movable.length === 0) return { json: { ...facts, files: files(new Map()) }, lines: shown, exitCode: 3 };
  const agreed = options.yes || (await options.confirm([...shown, "Do that?"].join("\n")));
  if (agreed === undefined) {
    const asks = failed("needs_confirmation", "Nothing was changed. To do that, repeat the command with --yes.", 2);
    return {
      ...asks,
      json: { ...facts, files: files(new Map()), ...(asks.json as object) },
      lines: [...shown, ...asks.lines],
    };
  }
  if (!agreed) return done({ ...facts, files: files(new Map()) }, ["Nothing was changed."]);
  const moved = new Map<string, string>();
  const lines: string[] = options.yes ? [...shown] : [];
  for (const orphan of movable) {
    const target = await carryOut(context, orphan);
    if (target !== undefined) moved.set(orphan.path, target);
    lines.push(target === undefined ? `${orphan.path} is gone: another process took it.` : afterwards(target, context));
  }
  return done({ ...facts, files: files(moved) }, lines);
}

async function judge({ paths, now }: CliContext, path: string, hasCredentials: boolean): Promise<Orphan | undefined> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) return undefined;
  // The claim renames the file, and a rename moves the change time, never the time of the content.
  const ageMs = Math.max(0, now() - found.ctimeMs);
  const orphan = (plan: Plan, why: string): Orphan => ({ path, ageMs, plan, why });
  if (ageMs < IN_USE_MS) {
    return orphan("leave", `an activation may be under way; look again in ${duration(IN_USE_MS - ageMs)}`);
  }
  if (hasCredentials) return orphan("set-aside", "credentials exist, so it is not needed");
  const file = await readSmallFile(path).catch(() => undefined);
  if (file === undefined) return undefined;
  const code = file.kind === "file" ? findCode(decodeText(file.bytes)) : undefined;
  if (code?.kind !== "found") return orphan("set-aside", "there is no activation code in it");
  if (await wasSentUnanswered(paths, code.code)) {
    return orphan("set-aside", "its code was sent and no answer came; it may be spent and is not sent again");
  }
  if (await fileExists(paths.bootstrap)) return orphan("set-aside", "a newer BOOTSTRAP.md waits");
  return orphan("put-back", "there is no record that its code was ever sent (releases of others keep none)");
}

async function carryOut({ paths, now }: CliContext, { path, plan, why }: Orphan): Promise<string | undefined> {
  const claim = await claimOrphan(paths, path);
  if (claim === undefined) return undefined;
  if (plan === "put-back" && (await putBack(claim))) return paths.bootstrap;
  const kept = await quarantine(
    paths,
    claim,
    { reason: `left by an interrupted activation: ${why}` },
    () => new Date(now()),
  );
  return kept.path;
}

/** False where a newer file has just taken the place: the claim is then still to be set aside. */
async function putBack(claim: Claim): Promise<boolean> {
  return (await claim.restore()) === "restored";
}

function describe({ path, ageMs, plan, why }: Orphan): string {
  const does = { leave: "left alone", "set-aside": "to be set aside", "put-back": "to be put back as BOOTSTRAP.md" };
  return `${path} (${duration(ageMs)} old): ${does[plan]}, because ${why}.`;
}

function knownLine(hasCredentials: boolean, gatewayPid: number | undefined): string {
  const gateway =
    gatewayPid === undefined ? "no gateway works with this account" : `a gateway runs (pid ${gatewayPid})`;
  return `Credentials: ${hasCredentials ? "yes" : "none"}; ${gateway}.`;
}

function afterwards(target: string, { paths, account }: CliContext): string {
  if (target !== paths.bootstrap) return `Set aside as ${target}.`;
  const activate = `openclaw agentrux activate${account.accountId === "default" ? "" : ` --account ${account.accountId}`}`;
  return `Put back as ${target}. A running gateway takes it within two seconds; without one: ${activate}`;
}
