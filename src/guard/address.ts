/**
 * Decides whether an IP address is on the public internet. Anything else, be it this machine, its network, a cloud's
 * metadata service or a range nobody should answer on, is not a place a topic may send us to. Pure.
 *
 * IPv6 is judged by what is allowed (global unicast, RFC 4291 section 2.4) instead of by what is not, so that a range
 * given a new meaning stays closed. Where an IPv6 address carries an IPv4 one, the inner one is judged.
 */

import { BlockList, isIPv4, isIPv6 } from "node:net";

/** Special-purpose blocks of IPv4 (RFC 6890 and the IANA registry it founded), multicast and class E. */
const CLOSED_V4: readonly (readonly [string, number])[] = [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 4],
  ["240.0.0.0", 4],
];

/** Inside global unicast, and yet not the internet: IETF protocols with Teredo, 6to4, documentation. */
const CLOSED_V6: readonly (readonly [string, number])[] = [
  ["2001::", 23],
  ["2001:db8::", 32],
  ["2002::", 16],
  ["3fff::", 20],
];

const closed = new BlockList();
for (const [net, prefix] of CLOSED_V4) closed.addSubnet(net, prefix, "ipv4");
for (const [net, prefix] of CLOSED_V6) closed.addSubnet(net, prefix, "ipv6");

const globalUnicast = new BlockList();
globalUnicast.addSubnet("2000::", 3, "ipv6");

/** IPv4-mapped (RFC 4291 section 2.5.5.2), and what a NAT64 network's resolver makes of IPv4 names (RFC 6052). */
const CARRIES_V4 = new BlockList();
CARRIES_V4.addSubnet("::ffff:0:0", 96, "ipv6");
CARRIES_V4.addSubnet("64:ff9b::", 96, "ipv6");

/** The last 32 bits of an IPv6 address, in IPv4's notation. */
function innerV4(address: string): string | undefined {
  // `URL` writes every form of an address, the one with dots too, in that of RFC 5952.
  const canonical = URL.parse(`http://[${address}]/`)?.hostname.slice(1, -1);
  const groups = canonical?.split(":").slice(-2);
  if (groups?.length !== 2) return undefined;
  const [high = 0, low = 0] = groups.map((group) => Number.parseInt(group === "" ? "0" : group, 16));
  return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
}

/**
 * Whether `address`, as a resolver gives it, is public. What is no address, or has a zone, is not.
 *
 * @example isPublicAddress("169.254.169.254") // false
 */
export function isPublicAddress(address: string): boolean {
  if (isIPv4(address)) return !closed.check(address, "ipv4");
  if (!isIPv6(address) || address.includes("%")) return false;
  if (CARRIES_V4.check(address, "ipv6")) {
    const inner = innerV4(address);
    return inner !== undefined && isIPv4(inner) && !closed.check(inner, "ipv4");
  }
  return globalUnicast.check(address, "ipv6") && !closed.check(address, "ipv6");
}
