/**
 * Checks the world-state server: which it is, whether it answers, and whether the account's token opens its namespace.
 * Nothing is written there. That a token opens a namespace is known without writing only from this project's hub, whose
 * dry run asks for the same right; other servers take any token for a reading one.
 */

import { fluxServerOf } from "../../account/world.ts";
import { fluxHubUrl } from "../../account/service-url.ts";
import type { AccountConfig } from "../../config/account.ts";
import { countingPlace, type HostConfig } from "../../config/places.ts";
import { usesFlux } from "../../config/flux.ts";
import { SECRET_KEYS } from "../../config/flux-secrets.ts";
import type { StoredCredentials } from "../../credentials/schema.ts";
import { type AgentruxError, errorText, isAgentruxError } from "../../errors.ts";
import { createFluxClient, type FluxClient, type FluxServer } from "../../flux/client.ts";
import type { CliContext } from "../account.ts";
import type { CheckReport, Finding } from "./finding.ts";

const LIMIT_MS = 15_000;
/** As opposed to the text that stands in its place where a server gives none. */
const CODE = /^[A-Z]+(?:_[A-Z]+)*$/;

type World = { readonly server: FluxServer } | { readonly problem: string };

/** The server as the gateway would use it, but for tokens that only a gateway can read. */
export function worldOf(account: AccountConfig, credentials: StoredCredentials | undefined): World {
  try {
    return { server: fluxServerOf({ ...account, flux: { ...account.flux, unresolved: [] } }, credentials) };
  } catch (error) {
    return { problem: errorText(error) };
  }
}

/** What is known without asking. Undefined where the account has nothing to do with the world state. */
export function checkWorldKeys(
  config: HostConfig,
  account: AccountConfig,
  credentials: StoredCredentials | undefined,
): CheckReport | undefined {
  if (!usesFlux(account.flux)) return undefined;
  const world = worldOf(account, credentials);
  const { flux } = account;
  const path = fluxPath(config, account.accountId);
  if ("problem" in world) {
    const needed = [
      ...(flux.presence.enabled ? ["presence"] : []),
      ...(flux.watches.length > 0 ? [`${flux.watches.length} watches`] : []),
    ];
    const what = `There is no world-state server${needed.length === 0 ? "" : ` for ${needed.join(" and ")}`}.`;
    const cure = `openclaw config set ${path}.url <address>; the public AgenTrux service has none.`;
    return report("", [{ id: "world.no-server", severity: "error", what, where: path, cure }]);
  }
  const { url } = world.server;
  const hub = fluxHubUrl(credentials, account);
  const findings: Finding[] = [];
  if (hub !== undefined && new URL(hub).origin !== new URL(url).origin) {
    const what = `The world state is at ${url}, the topics are at ${hub}: the namespace and its token must be of the former.`;
    const cure = `Where one hub is meant to serve both: openclaw config unset ${path}.url`;
    findings.push({ id: "world.elsewhere", severity: "info", what, where: `${path}.url`, cure });
  }
  for (const key of flux.unresolved) {
    const what = `${key} is a secret reference, which a running gateway resolves; it cannot be tried from here.`;
    const cure = "openclaw channels status --json shows presenceError where it could not.";
    findings.push({ id: "world.reference", severity: "info", what, where: `${path}.${key}`, cure });
  }
  return report(seen(account, url), findings);
}

/** Asks the server. Undefined where there is none to ask. */
export async function checkWorldServer(
  { account, config, signal }: CliContext,
  credentials: StoredCredentials | undefined,
): Promise<CheckReport | undefined> {
  if (!usesFlux(account.flux)) return undefined;
  const world = worldOf(account, credentials);
  if ("problem" in world) return undefined;
  const clients: FluxClient[] = [];
  const connect = (server: FluxServer): FluxClient => {
    const client = createFluxClient(server);
    clients.push(client);
    return client;
  };
  try {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(LIMIT_MS)]);
    return report(
      seen(account, world.server.url),
      await ask({ account, path: fluxPath(config, account.accountId), server: world.server, connect, signal: limit }),
    );
  } catch (error) {
    return report("", [unreachable(world.server.url, error)]);
  } finally {
    await Promise.all(clients.map((client) => client.close()));
  }
}

interface Asking {
  readonly account: AccountConfig;
  readonly path: string;
  readonly server: FluxServer;
  readonly connect: (server: FluxServer) => FluxClient;
  readonly signal: AbortSignal;
}

async function ask({ account: { flux }, path, server, connect, signal }: Asking): Promise<Finding[]> {
  const refusal = await refusalOf(connect({ url: server.url }).connectors(signal));
  const key = `${path}.token`;
  const openToRead: Finding[] = flux.presence.enabled
    ? [
        {
          id: "world.presence-open",
          severity: "info",
          what: `Everybody who reaches ${server.url} can see what the agents are doing: status, kind of work, last run.`,
          where: `${path}.presence`,
          cure: "Have the namespace made private, where the server is this project's hub.",
        },
      ]
    : [];
  if (refusal === undefined) return openToRead;
  // A reference is tried by the gateway alone.
  if (flux.unresolved.includes("token")) return [];
  if (server.token === undefined) {
    const cure = `openclaw config set ${key} --ref-source env --ref-provider default --ref-id NAME`;
    return [
      { id: "world.token-missing", severity: "error", what: "The server wants a token for writing.", where: key, cure },
    ];
  }
  const refused = (what: string): Finding => {
    const cure = "Ask the server's operator for the namespace's token, or for a new one.";
    return { id: "world.token-refused", severity: "error", what, where: key, cure };
  };
  const client = connect(server);
  if ((await refusalOf(client.connectors(signal))) !== undefined)
    return [refused("The server does not know the token.")];
  if (flux.namespace === undefined) return [];
  const namespace = await client.namespace(flux.namespace, signal).catch((error: unknown) => {
    if (isAgentruxError(error, "not_found")) return undefined;
    throw error;
  });
  if (namespace === undefined) {
    const what = `The server has no namespace ${flux.namespace}, or not for this token.`;
    const cure = "Ask the server's operator to register it, and for its token.";
    return [{ id: "world.no-namespace", severity: "error", what, where: `${path}.namespace`, cure }];
  }
  // Only this project's hub gives its errors a code; any other would take the dry run for a deletion.
  if (!CODE.test(refusal.serviceCode ?? "")) return openToRead;
  const probe = client.deleteMany({ entity_ids: [`${flux.namespace}/doctor`], dry_run: true }, signal);
  if ((await refusalOf(probe)) !== undefined)
    return [refused(`The token is not that of the namespace ${flux.namespace}.`)];
  return namespace.private === true ? [] : openToRead;
}

async function refusalOf(call: Promise<unknown>): Promise<AgentruxError | undefined> {
  try {
    await call;
    return undefined;
  } catch (error) {
    if (isAgentruxError(error, "unauthorized") || isAgentruxError(error, "forbidden")) return error;
    throw error;
  }
}

function unreachable(url: string, error: unknown): Finding {
  const isPassing = isAgentruxError(error) && error.retryable;
  const what = `It cannot be asked: ${errorText(error).replace(/\.$/, "")}.`;
  const cure = isAgentruxError(error, "insecure_url")
    ? "Use https; plain http is for this machine only."
    : "Check that the server runs and is ready; watches and presence go on by themselves when it is.";
  const id = isPassing && isAgentruxError(error, "server_error") ? "world.not-ready" : "world.unreachable";
  return { id, severity: id === "world.not-ready" ? "warning" : "error", what, where: url, cure };
}

function seen({ flux }: AccountConfig, url: string): string {
  const namespace = flux.namespace === undefined ? "no namespace" : `namespace ${flux.namespace}`;
  const token = SECRET_KEYS.some((key) => flux[key] !== undefined || flux.unresolved.includes(key));
  const presence = flux.presence.enabled ? "presence on" : "presence off";
  return `${url}, ${namespace}, ${token ? "with" : "without"} a token, ${presence}, ${flux.watches.length} watches`;
}

/** The key as `openclaw config` takes it. */
function fluxPath(config: HostConfig, accountId: string): string {
  return `${countingPlace(config, accountId, "flux")?.path ?? "channels.agentrux"}.flux`;
}

function report(text: string, findings: readonly Finding[]): CheckReport {
  return { check: "world", seen: text, findings };
}
