/** Owns what there is to say about how safe the key `flux` is. Pure; part of securityFindings. */

import { serviceUrlProblem } from "../credentials/schema.ts";
import type { AccountConfig } from "./account.ts";
import { SECRET_KEYS } from "./flux-secrets.ts";

/** As securityFindings tells it. */
export interface FluxFinding {
  readonly id: "security.flux-plain-http" | "security.flux-token-plain" | "security.flux-topic-writes";
  readonly severity: "error" | "warning" | "info";
  readonly where: string;
  readonly what: string;
  readonly cure: string;
}

/** @param flux Where the account's key `flux` stands, as `openclaw config get` takes it. */
export function fluxFindings(account: AccountConfig, flux: string, sendersAreOpen: boolean): FluxFinding[] {
  return [...plainHttp(account, flux), ...plainTokens(account, flux), ...topicWrites(account, flux, sendersAreOpen)];
}

function plainHttp({ flux: { url } }: AccountConfig, path: string): FluxFinding[] {
  if (url === undefined || !url.startsWith("http:") || serviceUrlProblem(url) === undefined) return [];
  const what = `${url} would carry tokens and state in the clear; it is not used`;
  const cure = "use https; plain http is for this machine only";
  return [{ id: "security.flux-plain-http", severity: "error", where: `${path}.url`, what, cure }];
}

function plainTokens({ flux }: AccountConfig, path: string): FluxFinding[] {
  return SECRET_KEYS.filter((key) => flux[key] !== undefined).map((key) => {
    const where = `${path}.${key}`;
    const what = `${where} holds the token itself, in a file that is copied and shown`;
    const cure = `put it into a variable of the gateway's environment, then: openclaw config set ${where} --ref-source env --ref-provider default --ref-id NAME`;
    return { id: "security.flux-token-plain", severity: "info", where, what, cure } as const;
  });
}

/** What a stranger's request writes, everybody who watches takes for the agent's word. */
function topicWrites({ flux, accountId }: AccountConfig, path: string, sendersAreOpen: boolean): FluxFinding[] {
  if (flux.topicTurns !== "write") return [];
  const open = sendersAreOpen ? "everybody whom the service lets publish" : "the listed senders";
  const where = flux.namespace === undefined ? "wherever the server lets it" : `in ${flux.namespace}`;
  const risks = [sendersAreOpen, flux.namespace === undefined].filter(Boolean).length;
  const cures = [
    ...(sendersAreOpen ? ["list the senders' script ids in allowFrom"] : []),
    ...(flux.namespace === undefined ? ["set flux.namespace"] : []),
  ];
  return [
    {
      id: "security.flux-topic-writes",
      severity: (["info", "warning", "error"] as const)[risks] ?? "error",
      where: `${path}.topicTurns`,
      what: `requests of ${open} to the account ${accountId} may have the world state written ${where}`,
      cure: [...cures, "or set flux.topicTurns to read"].join(", "),
    },
  ];
}
