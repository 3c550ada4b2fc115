/** Owns the looks at a service's address that need no credential: name, certificate, an answer and its clock. */

import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { connect } from "node:tls";
import { errorText } from "../../errors.ts";
import { createHttpClient } from "../../service/http.ts";

/** What was seen; `problem` in the peer's or the system's words. */
export type Seen<T> = ({ readonly ok: true } & T) | { readonly ok: false; readonly problem: string };

export interface NetworkPorts {
  /** Addresses of a host name. */
  readonly resolve: (hostname: string) => Promise<Seen<{ readonly addresses: readonly string[] }>>;
  /** The certificate a host shows; `trusted` says why not, where it is not. */
  readonly certificate: (
    hostname: string,
    port: number,
  ) => Promise<Seen<{ readonly validTo: number; readonly distrust?: string }>>;
  /** Any answer of the service, whatever its status. */
  readonly answer: (
    baseUrl: string,
    signal: AbortSignal,
  ) => Promise<Seen<{ readonly status: number; readonly tookMs: number; readonly serverTimeMs?: number }>>;
}

const TIMEOUT_MS = 10_000;

export const network: NetworkPorts = { resolve, certificate, answer };

async function resolve(hostname: string): ReturnType<NetworkPorts["resolve"]> {
  const host = hostname.replace(/^\[|\]$/g, "");
  if (isIP(host) !== 0) return { ok: true, addresses: [host] };
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`no answer within ${TIMEOUT_MS / 1000} s`)), TIMEOUT_MS);
  try {
    const found = await Promise.race([lookup(host, { all: true }), promise]);
    return { ok: true, addresses: found.map(({ address }) => address) };
  } catch (error) {
    return { ok: false, problem: errorText(error) };
  } finally {
    clearTimeout(timer);
  }
}

function certificate(hostname: string, port: number): ReturnType<NetworkPorts["certificate"]> {
  const host = hostname.replace(/^\[|\]$/g, "");
  return new Promise((done) => {
    const named = isIP(host) === 0 ? { servername: host } : {};
    // Looked at, not trusted: nothing is sent over this connection.
    const socket = connect({ host, port, ...named, rejectUnauthorized: false, timeout: TIMEOUT_MS });
    const end = (seen: Awaited<ReturnType<NetworkPorts["certificate"]>>): void => {
      socket.destroy();
      done(seen);
    };
    socket.once("error", (error) => end({ ok: false, problem: errorText(error) }));
    socket.once("timeout", () => end({ ok: false, problem: `no answer within ${TIMEOUT_MS / 1000} s` }));
    socket.once("secureConnect", () => {
      const validTo = Date.parse(socket.getPeerCertificate().valid_to);
      if (Number.isNaN(validTo)) return end({ ok: false, problem: "it shows no certificate" });
      const distrust = socket.authorized ? {} : { distrust: String(socket.authorizationError) };
      end({ ok: true, validTo, ...distrust });
    });
  });
}

async function answer(baseUrl: string, signal: AbortSignal): ReturnType<NetworkPorts["answer"]> {
  const begun = performance.now();
  try {
    const http = createHttpClient({ baseUrl, timeouts: { totalMs: TIMEOUT_MS }, maxBodyBytes: 1024 * 1024 });
    try {
      const { status, serverTimeMs } = await http.send({ method: "GET", path: "/healthz", signal });
      const tookMs = performance.now() - begun;
      return { ok: true, status, tookMs, ...(serverTimeMs === undefined ? {} : { serverTimeMs }) };
    } finally {
      await http.close();
    }
  } catch (error) {
    return { ok: false, problem: errorText(error) };
  }
}
