/** Owns which addresses the plugin talks to: https anywhere, plain http on this machine only (W37). */

import { AgentruxError } from "../errors.ts";

/** An address split so that its path goes out exactly as it was written. */
export interface Target {
  readonly origin: string;
  /** Path and query, byte for byte as given; a presigned URL's signature covers them. */
  readonly path: string;
}

/** Whether `hostname`, as `URL` gives it, names this machine. */
export function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(hostname);
}

/**
 * Checks the service's address and strips trailing slashes.
 *
 * @throws AgentruxError `config` when it is no http(s) address, or carries credentials, a query or a fragment;
 * `insecure_url` when it is plain http to another machine.
 */
export function normaliseBaseUrl(baseUrl: string): string {
  const url = parse(baseUrl.trim(), "baseUrl");
  if (url.search !== "" || url.hash !== "") {
    throw new AgentruxError("config", "baseUrl must not have a query or a fragment");
  }
  return url.origin + url.pathname.replace(/\/+$/, "");
}

/**
 * Splits an absolute URL the service handed out, without taking it apart further: rebuilding a presigned URL breaks its
 * signature (wire spec B10).
 *
 * @throws AgentruxError `malformed_response` when it is no http(s) URL, `insecure_url` when it is plain http to another
 * machine, or when a service elsewhere names this machine.
 */
export function splitObjectUrl(objectUrl: string, baseUrl: string): Target {
  let url: URL;
  try {
    url = parse(objectUrl, "the object URL");
  } catch (cause) {
    if (cause instanceof AgentruxError && cause.code === "insecure_url") throw cause;
    throw new AgentruxError("malformed_response", "The service named an object URL that is none", { cause });
  }
  if (isLoopback(url.hostname) && !isLoopback(new URL(baseUrl).hostname)) {
    throw new AgentruxError("insecure_url", "The service named an object URL on this machine; it is not followed");
  }
  const match = /^https?:\/\/[^/?#]*([^#]*)/i.exec(objectUrl);
  const path = match?.[1] ?? "";
  return { origin: url.origin, path: path.startsWith("/") ? path : `/${path}` };
}

function parse(text: string, name: string): URL {
  const url = URL.parse(text);
  if (url === null || (url.protocol !== "https:" && url.protocol !== "http:")) {
    throw new AgentruxError("config", `${name} must be an http or https address`);
  }
  if (url.username !== "" || url.password !== "") {
    throw new AgentruxError("config", `${name} must not carry a user name or password`);
  }
  if (url.protocol === "http:" && !isLoopback(url.hostname)) {
    throw new AgentruxError(
      "insecure_url",
      `${name} is plain http to ${url.hostname}; use https (plain http is for this machine only)`,
    );
  }
  return url;
}
