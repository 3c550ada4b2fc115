/**
 * The numbers of all accounts at `/plugins/agentrux/metrics` on the gateway's port, for Prometheus. The gateway itself asks
 * for its token, so nobody reads them who could not administer it (SDK docs, gateway routes).
 */

import type { OpenClawPluginApi } from "openclaw/plugin-sdk/core";
import { type Metric, prometheusText } from "../account/metrics.ts";
import { all } from "./running.ts";

export const METRICS_PATH = "/plugins/agentrux/metrics";

export function registerMetrics(api: OpenClawPluginApi): void {
  // The other modes build registries that serve no HTTP (SDK spec, section 4.2).
  if (api.registrationMode !== "full") return;
  api.registerHttpRoute({
    path: METRICS_PATH,
    auth: "gateway",
    match: "exact",
    handler: async (request, response) => {
      if (request.method !== "GET" && request.method !== "HEAD") {
        response.writeHead(405, { allow: "GET, HEAD" }).end();
        return true;
      }
      const accounts = new Map<string, readonly Metric[]>();
      for (const [accountId, account] of all()) accounts.set(accountId, await account.metrics());
      response.writeHead(200, { "content-type": "text/plain; version=0.0.4; charset=utf-8" });
      response.end(request.method === "HEAD" ? undefined : prometheusText(accounts));
      return true;
    },
  });
}
