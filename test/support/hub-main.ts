/**
 * A hub with short-lived access tokens, or many of them, for tests of what happens when they end and of many starts: the
 * hub's own command line has no option for that. Prints what `agentrux-hub start --json` prints.
 */

import { parseArgs } from "node:util";
import { startHub } from "../../hub/src/server.ts";

const { values } = parseArgs({
  allowPositionals: true,
  options: {
    host: { type: "string", default: "127.0.0.1" },
    port: { type: "string", default: "0" },
    data: { type: "string", default: "" },
    json: { type: "boolean" },
    "access-token-ms": { type: "string", default: "3600000" },
    "tokens-per-hour": { type: "string", default: "60" },
  },
});

const accessTokenMs = Number(values["access-token-ms"]);
const hub = await startHub({
  host: values.host,
  port: Number(values.port),
  dataDir: values.data,
  limits: { tokensPerHour: Number(values["tokens-per-hour"]) },
  ttls: { accessTokenAMs: accessTokenMs, accessTokenBMs: accessTokenMs },
});
process.stdout.write(`${JSON.stringify({ url: hub.url, adminToken: hub.adminToken, pid: process.pid })}\n`);
process.once("SIGTERM", () => void hub.close());
