/** Where a topic may send us. Every line of these tables is an attack that was tried on somebody. */

import { isPrivateIpAddress } from "openclaw/plugin-sdk/ssrf-runtime";
import type { LookupAddress } from "node:dns";
import { describe, expect, it } from "vitest";
import { isPublicAddress } from "../../src/guard/address.ts";
import { checkedLookup, judgeUrl } from "../../src/guard/url.ts";

const PRIVATE = [
  // this machine
  ["127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "::1", "::"],
  // private networks, and what carriers use inside
  ["10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1", "100.64.0.1", "100.127.255.255"],
  // link-local, with the metadata services of clouds
  ["169.254.0.1", "169.254.169.254", "169.254.170.2", "fe80::1", "fe80::1%eth0", "fd00:ec2::254", "100.100.100.200"],
  // unique local, site local, multicast, broadcast, class E
  ["fc00::1", "fd12:3456::1", "fec0::1", "ff02::1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255"],
  // documentation, benchmarks, protocol assignments, 6to4 relays
  ["192.0.0.8", "192.0.2.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "192.88.99.1"],
  ["2001:db8::1", "3fff::1", "100::1", "5f00::1"],
  // an IPv4 address inside an IPv6 one
  ["::ffff:127.0.0.1", "::ffff:7f00:1", "0:0:0:0:0:ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1"],
  ["64:ff9b::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b::a00:1", "64:ff9b:1::1"],
  ["2002:7f00:1::", "2002:a00:1::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2"],
  // both ends of every block
  ["0.255.255.255", "10.0.0.0", "100.64.0.0", "169.254.255.255", "172.16.0.0", "192.168.0.0", "192.168.255.255"],
  ["192.0.0.0", "192.0.0.255", "192.0.2.0", "192.0.2.255", "192.88.99.0", "192.88.99.255", "198.18.0.0"],
  ["198.51.100.0", "198.51.100.255", "203.0.113.0", "203.0.113.255", "224.0.0.0"],
  ["2001::", "2001:1ff:ffff::1", "2001:db8::", "2001:db8:ffff::1", "2002::", "2002:ffff::1", "3fff::", "3fff:fff::1"],
  ["1fff:ffff::1", "4000::1"],
  // no addresses
  ["", "localhost", "1.2.3", "1.2.3.4.5", "0x7f.1", "127.1", "2130706433", "fe80::1%25eth0", "[::1]"],
].flat();

const PUBLIC = [
  ["1.1.1.1", "8.8.8.8", "93.184.216.34", "172.15.0.1", "172.32.0.1", "100.63.255.255", "100.128.0.1", "11.0.0.1"],
  ["169.253.1.1", "192.0.1.1", "223.255.255.255", "2606:4700:4700::1111", "2a00:1450:4001::200e", "2620:fe::fe"],
  // beside the blocks
  ["1.0.0.0", "9.255.255.255", "126.255.255.255", "128.0.0.0", "169.255.0.0", "192.0.3.0", "192.88.98.255"],
  ["192.88.100.0", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "198.51.99.255", "198.51.101.0"],
  ["203.0.112.255", "203.0.114.0", "2000::1", "2001:200::1", "2001:db7:ffff::1", "2001:db9::1", "2003::1", "3000::1"],
  ["3ffe:ffff::1", "3fff:1000::1"],
  ["::ffff:8.8.8.8", "::ffff:808:808", "64:ff9b::8.8.8.8", "64:ff9b::808:808"],
].flat();

describe("addresses", () => {
  it.each(PRIVATE)("does not take %j for public", (address) => {
    expect(isPublicAddress(address)).toBe(false);
  });

  it.each(PUBLIC)("takes %s for public", (address) => {
    expect(isPublicAddress(address)).toBe(true);
  });

  it("never takes for public what the host's own guard takes for private", () => {
    const found = [...PRIVATE, ...PUBLIC].filter((address) => isPublicAddress(address) && isPrivateIpAddress(address));
    // The host closes NAT64 altogether; without it a machine on an IPv6-only network could fetch nothing.
    expect(found.filter((address) => !address.startsWith("64:ff9b::"))).toEqual([]);
  });

  it("judges every address of a NAT64 and a mapped block by what is inside", () => {
    const inners = Array.from({ length: 256 }, (_, high) => [`${high}.20.30.40`, `192.${high}.2.1`, `203.0.${high}.0`]);
    for (const inner of [...inners.flat(), "0.0.0.0", "1.0.0.0", "8.8.0.0", "0.0.8.8"]) {
      expect([isPublicAddress(`::ffff:${inner}`), isPublicAddress(`64:ff9b::${inner}`)]).toEqual([
        isPublicAddress(inner),
        isPublicAddress(inner),
      ]);
    }
  });
});

const STORAGE = "https://storage.example.com";
const rules = { baseUrl: "https://api.example.com", origins: new Set([STORAGE, "https://1.1.1.1"]) };

describe("URLs in a request", () => {
  it.each([
    ["plain http", "http://storage.example.com/o", "not_https"],
    ["plain http to the service", "http://api.example.com/o", "not_https"],
    ["another host", "https://evil.example.com/o", "not_the_service"],
    ["a host that begins like the storage", "https://storage.example.com.evil.net/o", "not_the_service"],
    ["a host that ends like the storage", "https://evilstorage.example.com/o", "not_the_service"],
    ["something else of the service", "https://api.example.com/metrics", "not_the_service"],
    ["the service's start page", "https://api.example.com", "not_the_service"],
    ["its list of objects", "https://api.example.com/objects/", "not_the_service"],
    ["something below an object", "https://api.example.com/objects/1/meta", "not_the_service"],
    ["a path that begins like the objects", "https://api.example.com/objects-of/1", "not_the_service"],
    ["objects elsewhere", "https://api.example.com/api/objects/1", "not_the_service"],
    ["objects in the query", "https://api.example.com/metrics?/objects/1", "not_the_service"],
    ["objects in the fragment", "https://api.example.com/metrics#/objects/1", "not_the_service"],
    ["a way out of the objects", "https://api.example.com/objects/../metrics", "not_the_service"],
    ["an encoded way out", "https://api.example.com/objects/%2e%2e/metrics", "not_the_service"],
    ["a half-encoded way out", "https://api.example.com/objects/.%2E/metrics", "not_the_service"],
    ["a way out by an encoded slash", "https://api.example.com/objects/..%2fmetrics", "not_the_service"],
    ["a way out with no way on", "https://api.example.com/objects/..", "not_the_service"],
    ["a way out by an encoded backslash", "https://api.example.com/objects/..%5cmetrics", "not_the_service"],
    ["a way into the objects", "https://api.example.com/metrics/../objects/1", "not_the_service"],
    ["an encoded name of the objects", "https://api.example.com/%6fbjects/1", "not_the_service"],
    ["path parameters", "https://api.example.com/objects/1;/../../metrics", "not_the_service"],
    ["doubled slashes", "https://api.example.com//objects/1", "not_the_service"],
    ["no slashes before the host", "https:api.example.com/objects/1", "not_the_service"],
    ["too many slashes before the host", "https:///api.example.com/objects/1", "not_the_service"],
    ["the storage as a user name", "https://storage.example.com@evil.net/o", "credentials"],
    ["a user name and password", "https://a:b@storage.example.com/o", "credentials"],
    ["an empty password", "https://a@storage.example.com/o", "credentials"],
    ["another port", "https://storage.example.com:8443/o", "not_the_service"],
    ["a port of the machine", "https://127.0.0.1:6379/", "private_address"],
    ["a trailing dot", "https://storage.example.com./o", "trailing_dot"],
    ["localhost with a trailing dot", "https://localhost./o", "trailing_dot"],
    ["localhost", "https://localhost/o", "not_the_service"],
    ["a decimal host", "https://2130706433/o", "private_address"],
    ["an octal host", "https://0177.0.0.1/o", "private_address"],
    ["a hexadecimal host", "https://0x7f000001/o", "private_address"],
    ["a mixed host", "https://0x7f.1/o", "private_address"],
    ["a short host", "https://127.1/o", "private_address"],
    ["zero", "https://0/o", "private_address"],
    ["a full-width host", "https://１２７.０.０.１/o", "private_address"],
    ["circled digits", "https://①②⑦.⓪.⓪.①/o", "private_address"],
    ["the metadata service", "https://169.254.169.254/latest/meta-data/", "private_address"],
    ["IPv6 loopback", "https://[::1]/o", "private_address"],
    ["IPv6 unspecified", "https://[::]/o", "private_address"],
    ["mapped loopback", "https://[::ffff:127.0.0.1]/o", "private_address"],
    ["mapped loopback, in hex", "https://[::ffff:7f00:1]/o", "private_address"],
    ["NAT64 metadata", "https://[64:ff9b::a9fe:a9fe]/o", "private_address"],
    ["6to4 loopback", "https://[2002:7f00:1::]/o", "private_address"],
    ["link-local", "https://[fe80::1]/o", "private_address"],
    ["unique local", "https://[fd00:ec2::254]/o", "private_address"],
    ["a backslash", "https://storage.example.com\\@evil.net/o", "unreadable"],
    ["a line break in the middle", "https://storage.exa\nmple.com/o", "unreadable"],
    ["a tab in the scheme", "ht\ttps://storage.example.com/o", "unreadable"],
    ["a leading space", " https://storage.example.com/o", "unreadable"],
    ["a header in the path", "https://storage.example.com/o\r\nX: y", "unreadable"],
    ["a NUL", "https://storage.example.com\u0000.evil.net/o", "unreadable"],
    ["a file", "file:///etc/passwd", "unreadable"],
    ["data", "data:text/plain,hello", "unreadable"],
    ["ftp", "ftp://storage.example.com/o", "not_https"],
    ["gopher", "gopher://127.0.0.1:6379/_x", "not_https"],
    ["javascript", "javascript:alert(1)", "unreadable"],
    ["a blob", "blob:https://storage.example.com/1", "unreadable"],
    ["no scheme", "//storage.example.com/o", "unreadable"],
    ["a path", "/objects/1", "unreadable"],
    ["nothing", "", "unreadable"],
    ["no host", "https:///o", "not_the_service"],
    ["too much", `${STORAGE}/${"a".repeat(9_000)}`, "too_long"],
  ])("does not follow %s", (_what, url, reason) => {
    expect(judgeUrl(url, rules)).toEqual({ allowed: false, reason });
  });

  it.each([
    [`${STORAGE}/bucket/key?X-Amz-Signature=ab%2Fc`, STORAGE, false],
    ["HTTPS://STORAGE.example.com:443/key", STORAGE, false],
    ["https://api.example.com/objects/1?expires=1", "https://api.example.com", true],
    ["https://1.1.1.1/o", "https://1.1.1.1", false],
  ])("follows %s", (url, origin, trusted) => {
    expect(judgeUrl(url, rules)).toEqual({ allowed: true, origin, trusted });
  });

  it("takes the configured hub as it is, also over plain http and on this machine", () => {
    const hub = { baseUrl: "http://127.0.0.1:8787", origins: new Set<string>() };
    expect(judgeUrl("http://127.0.0.1:8787/objects/1", hub)).toMatchObject({ allowed: true, trusted: true });
    expect(judgeUrl("http://127.0.0.1:8787/api/state/entities", hub)).toMatchObject({ allowed: false });
    expect(judgeUrl("http://127.0.0.1:8788/objects/1", hub)).toMatchObject({ allowed: false });
    expect(judgeUrl("http://localhost:8787/objects/1", hub)).toMatchObject({ allowed: false });
  });
});

describe("URLs the service has just given us", () => {
  it("lead anywhere on its own origin, and to any public one", () => {
    const given = { ...rules, origins: "any" } as const;
    for (const url of ["https://api.example.com/files/1?x=%2F", "https://else.example.net/o"]) {
      expect(judgeUrl(url, given)).toMatchObject({ allowed: true });
    }
  });
});

describe("a service below a path", () => {
  const below = { ...rules, baseUrl: "https://example.com/agentrux" };
  it("has its objects there, and nowhere else", () => {
    expect(judgeUrl("https://example.com/agentrux/objects/pob_1-a?signature=x", below)).toMatchObject({
      trusted: true,
    });
    for (const path of ["/objects/1", "/agentrux/metrics", "/agentrux-2/objects/1", "/agentrux/../objects/1"]) {
      expect(judgeUrl(`https://example.com${path}`, below)).toEqual({ allowed: false, reason: "not_the_service" });
    }
  });
});

describe("names", () => {
  /** A resolver that gives these answers in turn, the last one for ever. */
  function resolver(...answers: string[][]) {
    const asked: string[] = [];
    return {
      asked,
      resolve: (hostname: string, callback: (error: Error | null, all: LookupAddress[]) => void) => {
        const all = answers[Math.min(asked.length, answers.length - 1)] ?? [];
        asked.push(hostname);
        callback(
          null,
          all.map((address) => ({ address, family: address.includes(":") ? 6 : 4 })),
        );
      },
    };
  }
  const look = (lookup: ReturnType<typeof checkedLookup>, all: boolean) =>
    new Promise((done) => {
      lookup("files.example.com", { all }, (error, address) => done(error?.message ?? address));
    });

  it("gives out what it has checked", async () => {
    const lookup = checkedLookup(resolver(["93.184.216.34"]).resolve);
    expect(await look(lookup, false)).toBe("93.184.216.34");
    expect(await look(lookup, true)).toEqual([{ address: "93.184.216.34", family: 4 }]);
  });

  it.each([
    [["127.0.0.1"]],
    [["10.1.2.3"]],
    [["93.184.216.34", "169.254.169.254"]],
    [["2606:4700::1", "::1"]],
    [["::ffff:10.0.0.1"]],
  ])("refuses a name that has %j", async (addresses) => {
    const lookup = checkedLookup(resolver(addresses).resolve);
    expect(await look(lookup, true)).toMatch(/inside a private network/);
    expect(await look(lookup, false)).toMatch(/inside a private network/);
  });

  it("asks once for each connection, so that there is no second answer to be rebound", async () => {
    const rebinding = resolver(["93.184.216.34"], ["127.0.0.1"]);
    const lookup = checkedLookup(rebinding.resolve);
    expect(await look(lookup, false)).toBe("93.184.216.34");
    expect(rebinding.asked).toHaveLength(1);
    expect(await look(lookup, false)).toMatch(/inside a private network/);
  });

  it("passes on that a name is unknown", async () => {
    expect(await look(checkedLookup(resolver([]).resolve), true)).toMatch(/has no address/);
    expect(
      await look(
        checkedLookup((_name, callback) => callback(new Error("ENOTFOUND"), [])),
        true,
      ),
    ).toBe("ENOTFOUND");
  });
});
