/** What becomes of a request's attachments, over real sockets. */

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { once } from "node:events";
import { createServer } from "node:net";
import type { ServerResponse } from "node:http";
import { describe, expect, it, onTestFinished } from "vitest";
import { describeAttachments } from "../../src/attachments/describe.ts";
import { AgentruxError } from "../../src/errors.ts";
import { type Answerer, NEVER, startPeer } from "../service/peer.ts";
import { command, PNG, scene } from "./support.ts";

const give =
  (body: string | Uint8Array, headers: Record<string, string> = {}) =>
  (_: unknown, response: ServerResponse) => {
    response.writeHead(200, headers);
    response.end(body);
  };

/** Sends these pieces, and never the end where `open`. */
const stream =
  (pieces: Iterable<Uint8Array | string>, headers: Record<string, string> = {}) =>
  async (_: unknown, response: ServerResponse) => {
    const gone = new AbortController();
    response.once("close", () => gone.abort());
    response.writeHead(200, headers);
    for (const piece of pieces) {
      if (response.destroyed) return;
      if (!response.write(piece)) await once(response, "drain", { signal: gone.signal }).catch(() => undefined);
    }
    response.end();
  };

const KB = 1024;
const ID = { objectId: "obj-1", name: "file" };

describe("text", () => {
  it("is shown as it is, with its type and size", async () => {
    const { one, names } = await scene(give("línea 1\nline 2\n"));
    const found = await one({ objectId: "o", name: "error.log", contentType: "text/x-log; charset=utf-8" });
    expect(found).toEqual({
      name: "error.log",
      text: "línea 1\nline 2\n",
      summary: '"error.log", text/x-log, 16 bytes; the whole text follows',
    });
    expect(names()).toEqual([]);
  });

  it("is shown whole at exactly 50 KB", async () => {
    const { one } = await scene(give("x".repeat(50 * KB)));
    const found = await one(ID);
    expect(found.text).toHaveLength(50 * KB);
    expect(found.file).toBeUndefined();
  });

  it("is cut on a character beyond 50 KB, says so, and lies whole in a file", async () => {
    const whole = `${"é".repeat(25 * KB - 1)}x${"日".repeat(1_000)}`;
    const { one, content } = await scene(give(whole));
    const found = await one({ ...ID, name: "long.txt" });
    expect(Buffer.byteLength(found.text ?? "")).toBe(50 * KB - 1);
    expect(found.text).toBe(`${"é".repeat(25 * KB - 1)}x`);
    expect(found.summary).toContain(`cut: the first ${50 * KB - 1} bytes follow, the whole file is staged`);
    expect(content(found).toString()).toBe(whole);
    expect(describeAttachments([found])[0]).toContain(found.file?.path);
  });

  it("of a 40 KB file keeps its tail", async () => {
    const { one } = await scene(give(`${"x".repeat(40 * KB)}THE END`));
    expect(describeAttachments([await one(ID)])[0]).toMatch(/THE END$/);
  });

  it("keeps characters whole that come in two pieces", async () => {
    const bytes = Buffer.from("日本語");
    const { one } = await scene(stream([...bytes].map((byte) => Uint8Array.of(byte))));
    expect((await one(ID)).text).toBe("日本語");
  });

  it("has a limit for all files of a request: beyond it a file is only staged", async () => {
    const { fetch } = await scene(give("x".repeat(40 * KB)));
    const found = await fetch(command(Array.from({ length: 6 }, () => ID)), 120_000, NEVER);
    expect(found.filter(({ text }) => text !== undefined)).toHaveLength(5);
    expect(found.filter(({ file }) => file !== undefined)).toHaveLength(1);
  });

  it("loses its control characters and direction marks before it is shown", () => {
    const [shown] = describeAttachments([{ name: "a", summary: "a", text: "one\u202Etwo\u0007" }]);
    expect(shown).toMatch(/onetwo$/);
  });
});

describe("other files", () => {
  it("are staged, with the type of their bytes", async () => {
    const { one, content } = await scene(give(PNG));
    const found = await one({ objectId: "o", name: "photo.jpg", contentType: "image/jpeg" });
    expect(found.file).toMatchObject({ contentType: "image/png", size: PNG.byteLength });
    expect(found.text).toBeUndefined();
    expect(content(found).equals(PNG)).toBe(true);
    expect(found.summary).toBe('"photo.jpg", image/png, 70 bytes; declared as image/jpeg, which its bytes are not');
  });

  it.each([
    ["a zip called a picture", Buffer.from("504b03041400000008000000", "hex"), "image/png", "application/zip"],
    ["noise called a picture", Buffer.from("00ff00ff12345678", "hex"), "image/png", "application/octet-stream"],
    ["UTF-16 text", Buffer.from("fffe680065006c006c006f00", "hex"), "text/plain", "application/octet-stream"],
    ["text with a NUL", Buffer.from("hello\0world"), "text/plain", "application/octet-stream"],
    ["broken UTF-8", Buffer.from("6869ff20c0", "hex"), "text/plain", "application/octet-stream"],
    ["a PDF of plain characters", Buffer.from("%PDF-1.4\n1 0 obj\n"), "text/plain", "application/pdf"],
  ])("%s is what its bytes are", async (_what, bytes, declared, type) => {
    const { one } = await scene(give(bytes));
    const found = await one({ ...ID, contentType: declared });
    expect(found.text).toBeUndefined();
    expect(found.file?.contentType).toBe(type);
  });

  it("called pictures are text when they are text", async () => {
    const { one } = await scene(give('{"a": 1}'));
    expect(await one({ ...ID, contentType: "image/png" })).toMatchObject({ text: '{"a": 1}' });
    expect((await one({ ...ID, contentType: "image/png" })).summary).toContain("text/plain");
  });

  it("are staged empty when they are empty", async () => {
    const { one } = await scene(give(""));
    expect((await one(ID)).text).toBe("");
  });
});

describe("names and ids", () => {
  it.each(["../../../pwned", "..%2f..%2fx", "a/b", "x?y=1", "x#y", "", "a b", "a\nb", "é", "x".repeat(200), ".."])(
    "the id %j is never put into a path",
    async (objectId) => {
      const info = (id: string): never => {
        throw /^[A-Za-z0-9_-]{1,128}$/.test(id) ? new Error("asked") : new AgentruxError("invalid", "no object id");
      };
      const { one, peer, names } = await scene(give("x"), { info });
      const found = await one({ objectId, name: "../../../p.png" });
      expect(found).toMatchObject({ name: "p.png" });
      expect(found.summary).toContain("its id is not valid");
      expect([peer.received, names()]).toEqual([[], []]);
    },
  );

  it.each(["../../evil.png", "a\\..\\evil.png", "evil.png\u0000.txt", "/etc/cron.d/evil.png"])(
    "the name %j stays inside the folder",
    async (name) => {
      const { one, names } = await scene(give(PNG));
      const found = await one({ objectId: "o", name });
      expect(names()).toHaveLength(1);
      expect(found.name).not.toMatch(/[/\\\u0000]/);
    },
  );
});

describe("where files may come from", () => {
  /** A listener on this machine that must not be touched. */
  async function secret() {
    const peer = await startPeer(give("internal"));
    onTestFinished(() => peer.close());
    return peer;
  }

  it("nowhere else than the service: a listener on this machine sees nothing", async () => {
    const internal = await secret();
    const { one, names } = await scene(give("x"));
    const port = new URL(internal.url).port;
    for (const host of ["127.0.0.1", "localhost", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "127.1"]) {
      for (const scheme of ["http", "https"]) {
        const found = await one({ name: "x", downloadUrl: `${scheme}://${host}:${port}/secret` });
        expect(found.summary).toContain("its address is not one that is fetched");
        expect(found.summary).toContain(`link: ${scheme}://${host}`);
      }
    }
    expect([internal.received, internal.connections(), names()]).toEqual([[], 0, []]);
  });

  it("not from the service's own machine under another port, even by the service's word over plain http", async () => {
    const internal = await secret();
    const { one } = await scene(give("x"), { info: (objectId) => ({ objectId, downloadUrl: `${internal.url}/x` }) });
    expect((await one(ID)).summary).toContain("its address is not one that is fetched");
    expect(internal.received).toEqual([]);
  });

  it("not from a private address behind a public name, whoever gave the name", async () => {
    let touched = 0;
    const listener = createServer((socket) => {
      touched += 1;
      socket.destroy();
    });
    await new Promise<void>((done) => listener.listen(0, "127.0.0.1", done));
    onTestFinished(() => new Promise<void>((done) => listener.close(() => done())));
    const { port } = listener.address() as { port: number };
    const downloadUrl = `https://files.example.com:${port}/x`;
    const asked: string[] = [];
    const { one } = await scene(give("x"), {
      resolver: (hostname, callback) => {
        asked.push(hostname);
        callback(null, [{ address: "127.0.0.1", family: 4 }]);
      },
      info: (objectId) => ({ objectId, downloadUrl }),
    });
    expect((await one(ID)).summary).toContain("its address is not one that is fetched");
    expect([asked, touched]).toEqual([["files.example.com"], 0]);
  });

  it("from an object store the service has named, and from no other: its name is not even looked up", async () => {
    const asked: string[] = [];
    const { one } = await scene(give("x"), {
      resolver: (hostname, callback) => {
        asked.push(hostname);
        callback(null, [{ address: "10.0.0.1", family: 4 }]);
      },
      info: (objectId) => ({ objectId, downloadUrl: "https://store.example.com/x" }),
    });
    await one({ name: "x", downloadUrl: "https://store.example.com/y" });
    expect(asked).toEqual([]);
    await one(ID);
    await one({ name: "x", downloadUrl: "https://store.example.com/y" });
    await one({ name: "x", downloadUrl: "https://other.example.com/y" });
    expect(asked).toEqual(["store.example.com", "store.example.com"]);
  });

  it("by the URL of the service's own origin, without asking the service", async () => {
    const { one, peer, asked } = await scene(give("from storage"));
    expect(await one({ name: "x", downloadUrl: `${peer.url}/objects/1?sig=a%2Fb` })).toMatchObject({
      text: "from storage",
    });
    expect(peer.received.map(({ path }) => path)).toEqual(["/objects/1?sig=a%2Fb"]);
    expect(asked).toEqual([]);
  });

  it("not from anything else at the service's own origin, which may answer this machine alone", async () => {
    const { one, peer } = await scene(give("the state of the world"));
    for (const path of ["/metrics", "/api/state/entities", "/objects/../metrics", "/objects/%2e%2e%2fmetrics", ""]) {
      const found = await one({ name: "x", downloadUrl: `${peer.url}${path}` });
      expect(found.summary).toContain("its address is not one that is fetched");
    }
    expect(peer.received).toEqual([]);
  });

  it("by the id wherever there is one: the URL beside it is not looked at", async () => {
    const internal = await secret();
    const { one, asked } = await scene(give("by id"));
    expect(await one({ ...ID, downloadUrl: `${internal.url}/x` })).toMatchObject({ text: "by id" });
    expect([asked, internal.received]).toEqual([["obj-1"], []]);
  });

  it.each([301, 302, 303, 307, 308])("not from where a redirect (%i) leads", async (status) => {
    const internal = await secret();
    const { one, peer } = await scene((_, response) => {
      response.writeHead(status, { location: `${internal.url}/secret` });
      response.end();
    });
    expect((await one(ID)).summary).toContain("its address is not one that is fetched");
    expect([peer.received.length, internal.received]).toEqual([1, []]);
  });

  it("carries no credentials there, and says who asks", async () => {
    const { one, peer } = await scene(give("x"));
    await one(ID);
    expect(peer.received[0]?.headers).not.toHaveProperty("authorization");
    expect(peer.received[0]?.headers["user-agent"]).toMatch(/agentrux/i);
  });
});

describe("limits", () => {
  it("an object announced as too large is not fetched", async () => {
    const { one, peer } = await scene(give("x"), {
      files: { fileBytes: 1_000 },
      info: (objectId, { url }) => ({ objectId, downloadUrl: url, size: 1_001 }),
    });
    expect((await one(ID)).summary).toContain("it is larger than what is taken");
    expect(peer.received).toEqual([]);
  });

  it("a body whose head says that it is too large is not read", async () => {
    const { one, names } = await scene(give(Buffer.alloc(2_000)), { files: { fileBytes: 1_000 } });
    expect((await one(ID)).summary).toContain("it is larger than what is taken");
    expect(names()).toEqual([]);
  });

  it("a gigabyte that nobody announced is cut off early, leaves nothing behind, and takes no memory", async () => {
    const chunk = Buffer.alloc(256 * KB, 1);
    // What is alive, not what waits to be collected: that depends on when the engine finds the time.
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    const alive = (): number => {
      collect();
      const { heapUsed, external } = process.memoryUsage();
      return heapUsed + external;
    };
    const before = alive();
    let most = before;
    let sent = 0;
    function* gigabyte() {
      for (; sent < 1024 * 1024 * KB; sent += chunk.byteLength) {
        if (sent % (4 * 1024 * KB) === 0) most = Math.max(most, alive());
        yield chunk;
      }
    }
    const { one, names, peer } = await scene(stream(gigabyte()));
    expect((await one(ID)).summary).toContain("it is larger than what is taken");
    expect(most).toBeGreaterThan(before);
    expect(most - before).toBeLessThan(24 * 1024 * KB);
    expect(sent).toBeLessThan(64 * 1024 * KB);
    expect(names()).toEqual([]);
    expect(peer.received).toHaveLength(1);
  });

  it("all files of a request together have a limit, also when they are fetched at once", async () => {
    const { fetch, names } = await scene(give(Buffer.alloc(400, 1)), { files: { requestBytes: 1_000 } });
    const found = await fetch(command(Array.from({ length: 4 }, () => ID)), 120_000, NEVER);
    expect(found.filter(({ file }) => file !== undefined)).toHaveLength(2);
    expect(names()).toHaveLength(2);
  });

  it("what was not kept does not count: a file may come whole at the second try", async () => {
    let tries = 0;
    const shortFirst: Answerer = (_, response) => void response.end(Buffer.alloc((tries += 1) === 1 ? 600 : 700, 1));
    const { one } = await scene(shortFirst, {
      files: { requestBytes: 1_000 },
      info: (objectId, { url }) => ({ objectId, downloadUrl: url, size: 700 }),
    });
    expect((await one(ID)).file?.size).toBe(700);
    expect(tries).toBe(2);
  });

  it("only so many files of a request are fetched; the others are named", async () => {
    const { fetch, peer } = await scene(give("x"), { files: { files: 3 } });
    const found = await fetch(command(Array.from({ length: 5 }, () => ID)), 120_000, NEVER);
    expect(found.map(({ summary }) => summary.includes("too many files"))).toEqual([false, false, false, true, true]);
    expect(peer.received).toHaveLength(3);
  });

  it("those beyond what a request may list are counted", async () => {
    const { fetch } = await scene(give("x"));
    const found = await fetch({ ...command([ID]), attachmentsBeyond: 36 }, 120_000, NEVER);
    expect(found[1]?.summary).toBe("36 more; not here: too many files");
  });

  it("one without an id and a URL is named, and nobody is asked for it", async () => {
    const { one, peer } = await scene(give("x"));
    const reason = "not here: the request gives neither its object_id nor its download_url";
    expect((await one({ name: "plan.pdf" })).summary).toBe(`"plan.pdf"; ${reason}`);
    expect(peer.received).toHaveLength(0);
  });

  it("nothing is fetched while too much is staged already", async () => {
    const store = { save: () => Promise.reject(new Error("no")), detect: () => Promise.resolve(undefined) };
    const { one, peer } = await scene(give("x"), { store: { ...store, sweep: () => Promise.resolve(2 ** 30) } });
    expect((await one(ID)).summary).toContain("no room for it");
    expect(peer.received).toEqual([]);
  });

  it("a full disk leaves a reference", async () => {
    const full = Object.assign(new Error("ENOSPC"), { code: "ENOSPC" });
    const store = { detect: () => Promise.resolve("image/png"), sweep: () => Promise.resolve(0) };
    const { one } = await scene(give(PNG), { store: { ...store, save: () => Promise.reject(full) } });
    expect((await one(ID)).summary).toContain("it could not be written to disk");
  });
});

describe("faults", () => {
  it("a body that trickles is given up in time", async () => {
    const drip = (_: unknown, response: ServerResponse): void => {
      response.writeHead(200);
      const timer = setInterval(() => response.write("x"), 10);
      response.on("close", () => clearInterval(timer));
    };
    const { one, peer } = await scene(drip, { files: { waitMs: 300 } });
    expect((await one(ID)).summary).toContain("fetching it took too long");
    await expect.poll(() => peer.connections()).toBe(0);
  });

  it("a body that falls silent is given up, tried again, and then left", async () => {
    const { one, peer } = await scene((_, response) => void response.writeHead(200).write("half"), {
      limits: { bodyIdleMs: 50 },
    });
    expect((await one(ID)).summary).toContain("fetching it took too long");
    expect(peer.received).toHaveLength(3);
  });

  it("a body that breaks off is fetched again", async () => {
    const { one } = await scene((_, response, index) => {
      response.writeHead(200, { "content-length": "10" });
      if (index > 0) return void response.end("0123456789");
      response.write("01234");
      setImmediate(() => response.destroy());
    });
    expect((await one(ID)).text).toBe("0123456789");
  });

  it("a request waits for its files for half of its turn at most, so that there is time to say so", async () => {
    const { fetch } = await scene((_, response) => void response.writeHead(200).write("half"));
    const [found] = await fetch(command([ID]), 400, NEVER);
    expect(found?.summary).toContain("fetching it took too long");
  });

  it("a body shorter than its object is not taken for it", async () => {
    const { one, names } = await scene(give(Buffer.alloc(70_000, 1)), {
      info: (objectId, { url }) => ({ objectId, downloadUrl: url, size: 70_001 }),
    });
    expect((await one(ID)).summary).toContain("it could not be fetched");
    expect(names()).toEqual([]);
  });

  it.each([
    [404, "the service does not have it", 1],
    [403, "the service does not give it out", 1],
    [500, "it could not be fetched", 3],
    [503, "it could not be fetched", 3],
  ])("HTTP %i leaves a reference", async (status, reason, requests) => {
    const { one, peer } = await scene((_, response) => void response.writeHead(status).end("<html>"));
    expect((await one(ID)).summary).toContain(reason);
    expect(peer.received).toHaveLength(requests);
  });

  it("a fault of the service that passes is waited out", async () => {
    let times = 0;
    const { one } = await scene(give("at last"), {
      info: (objectId, { url }) => {
        times += 1;
        if (times < 3) throw new AgentruxError("server_error", "later", { kind: "refused", retryable: true });
        return { objectId, downloadUrl: url };
      },
    });
    expect((await one(ID)).text).toBe("at last");
  });

  it("one attachment's fault is nobody else's", async () => {
    const { fetch } = await scene(({ path }, response) => {
      response.writeHead(path.endsWith("bad") ? 404 : 200).end(path);
    });
    const found = await fetch(command([{ objectId: "a" }, { objectId: "bad" }, { objectId: "c" }]), 120_000, NEVER);
    expect(found.map(({ text }) => text)).toEqual(["/objects/a", undefined, "/objects/c"]);
  });

  it("a turn that is broken off breaks off its fetching", async () => {
    const { one, peer } = await scene((_, response) => void response.writeHead(200).write("half"));
    const turn = new AbortController();
    const found = one(ID, turn.signal);
    await expect.poll(() => peer.received.length).toBe(1);
    turn.abort();
    expect((await found).summary).toContain("not here");
    await expect.poll(() => peer.connections()).toBe(0);
  });

  it("what goes wrong is in the log, without the URL's signature", async () => {
    const { one, peer, log } = await scene((_, response) => void response.writeHead(404).end());
    await one({ name: "x", downloadUrl: `${peer.url}/objects/1?signature=TOPSECRET` });
    expect(log.join("\n")).toContain("left as a reference");
    expect(log.join("\n")).not.toContain("TOPSECRET");
  });
});
