/**
 * Decides which URLs may be fetched for a topic, and makes sure that the address connected to is the one that was
 * checked.
 *
 * The service's own origin is what the operator configured, and so is trusted with its address and with plain http.
 * Everywhere else it must be https, and every address its name has must be public. A URL that came with a request is
 * followed only to an origin the service itself has handed out before (its object store), and on the service's own one
 * only to a payload object: whatever else it answers without credentials may be meant for this machine alone.
 */

import { lookup as systemLookup, type LookupAddress } from "node:dns";
import { isIP, type LookupFunction } from "node:net";
import { AgentruxError } from "../errors.ts";
import { isPublicAddress } from "./address.ts";

export type UrlRefusal =
  | "unreadable"
  | "too_long"
  | "not_https"
  | "credentials"
  | "trailing_dot"
  | "not_the_service"
  | "private_address";

export type UrlVerdict =
  /** `trusted`: the configured origin, whose address is not checked. */
  | { readonly allowed: true; readonly origin: string; readonly trusted: boolean }
  | { readonly allowed: false; readonly reason: UrlRefusal };

export interface UrlRules {
  /** Address of the configured service. */
  readonly baseUrl: string;
  /** The only other origins that may be fetched from; `any` for a URL the service has just given us. */
  readonly origins: ReadonlySet<string> | "any";
}

/** Presigned URLs with a session token come to some 2,000 characters. */
const MAX_URL_CHARS = 8_192;
// What `URL` silently drops or turns into something else; no URL a service writes has any of it.
// eslint-disable-next-line no-control-regex
const ODD_CHARACTERS = /[\u0000-\u0020\u007f-\u00a0\\]/;
const OBJECT_PATH = /^\/objects\/[\w-]+$/;

const refused = (reason: UrlRefusal): UrlVerdict => ({ allowed: false, reason });

/**
 * What may be known of a URL without asking a resolver. A numeric host in any notation (decimal, octal, hex, short) is
 * judged as the address it means, since `URL` resolves it.
 *
 * @example judgeUrl("https://127.1/x", { baseUrl, origins: "any" }) // { allowed: false, reason: "private_address" }
 */
export function judgeUrl(text: string, { baseUrl, origins }: UrlRules): UrlVerdict {
  if (text.length > MAX_URL_CHARS) return refused("too_long");
  const url = ODD_CHARACTERS.test(text) ? null : URL.parse(text);
  if (url === null || url.host === "") return refused("unreadable");
  if (url.username !== "" || url.password !== "") return refused("credentials");
  const service = new URL(baseUrl);
  if (url.origin === service.origin) {
    return origins === "any" || namesObject(text, service.pathname.replace(/\/+$/, ""))
      ? { allowed: true, origin: url.origin, trusted: true }
      : refused("not_the_service");
  }
  if (url.protocol !== "https:") return refused("not_https");
  if (url.hostname.endsWith(".")) return refused("trailing_dot");
  const literal = url.hostname.replace(/^\[|\]$/g, "");
  if (isIP(literal) !== 0 && !isPublicAddress(literal)) return refused("private_address");
  if (origins !== "any" && !origins.has(url.origin)) return refused("not_the_service");
  return { allowed: true, origin: url.origin, trusted: false };
}

/**
 * Whether a URL's path is one under which objects are handed out. As it is written, because it is sent like that: `..`
 * and `%2f` are for the server to read, and another one than `URL` may read them otherwise.
 */
function namesObject(text: string, basePath: string): boolean {
  const path = /^https?:\/\/[^/?#]+([^?#]*)/i.exec(text)?.[1] ?? "";
  return path.startsWith(basePath) && OBJECT_PATH.test(path.slice(basePath.length));
}

/** Asks for every address of a name. */
export type Resolver = (hostname: string, callback: (error: Error | null, all: LookupAddress[]) => void) => void;

const resolveAll: Resolver = (hostname, callback) => systemLookup(hostname, { all: true }, callback);

/**
 * A `lookup` for sockets that gives out only addresses it has checked, so that no second look-up can answer otherwise
 * (DNS rebinding). One address that is not public is enough to refuse the name.
 */
export function checkedLookup(resolver: Resolver = resolveAll): LookupFunction {
  return (hostname, options, callback) => {
    resolver(hostname, (error, all) => {
      const [first] = all ?? [];
      const closed = error === null && !all.every(({ address }) => isPublicAddress(address));
      const failure = closed ? blocked(hostname) : error;
      if (failure !== null || first === undefined) {
        callback(failure ?? new Error(`${hostname} has no address`), "", 0);
        return;
      }
      if (options.all === true) callback(null, all);
      else callback(null, first.address, first.family);
    });
  };
}

function blocked(hostname: string): AgentruxError {
  return new AgentruxError("insecure_url", `${hostname} has an address inside a private network; it is not fetched`);
}
