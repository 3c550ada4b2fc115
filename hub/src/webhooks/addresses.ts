/**
 * Owns which addresses webhooks may go to. The check is made on the address that is connected to, after the name was
 * looked up, so that a name which changes its mind gains nothing.
 *
 * Never: link-local addresses, where clouds keep their machines' credentials, and what is no host at all. Addresses of
 * the machine and its private networks are allowed unless the operator says otherwise: webhooks are registered by the
 * operator, and a self-hosted hub's receivers usually live there.
 */
import { lookup } from "node:dns";
import type { LookupAddress, LookupOptions } from "node:dns";
import { BlockList, isIP, isIPv4 } from "node:net";
import { HubError } from "../errors.ts";

const NEVER: readonly (readonly [string, number])[] = [
  ["0.0.0.0", 8],
  ["169.254.0.0", 16],
  ["224.0.0.0", 3],
  ["::", 128],
  ["fe80::", 10],
  ["ff00::", 8],
];

const PRIVATE: readonly (readonly [string, number])[] = [
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["172.16.0.0", 12],
  ["192.168.0.0", 16],
  ["::1", 128],
  ["fc00::", 7],
];

type LookupCallback = (error: Error | null, address: string | LookupAddress[], family?: number) => void;

export interface AddressPolicy {
  /** Whether webhooks may go to this IP address. */
  allows(address: string): boolean;
  /** `dns.lookup` that fails when any of a name's addresses is not allowed; for `http.request`. */
  readonly lookup: (hostname: string, options: LookupOptions, callback: LookupCallback) => void;
}

export function addressPolicy(options: { readonly allowPrivate: boolean }): AddressPolicy {
  const refused = blockList(options.allowPrivate ? NEVER : [...NEVER, ...PRIVATE]);
  const allows = (address: string) => isIP(address) !== 0 && !refused.check(address, isIPv4(address) ? "ipv4" : "ipv6");
  return {
    allows,
    lookup(hostname, lookupOptions, callback) {
      lookup(hostname, { ...lookupOptions, all: true }, (error, addresses) => {
        if (error !== null) return callback(error, []);
        const [first] = addresses;
        if (first === undefined || !addresses.every(({ address }) => allows(address))) {
          return callback(new HubError("FORBIDDEN", "Webhooks may not go to this address"), []);
        }
        if (lookupOptions.all === true) return callback(null, addresses);
        return callback(null, first.address, first.family);
      });
    },
  };
}

function blockList(subnets: readonly (readonly [string, number])[]): BlockList {
  const list = new BlockList();
  for (const [network, prefix] of subnets) list.addSubnet(network, prefix, isIPv4(network) ? "ipv4" : "ipv6");
  return list;
}
