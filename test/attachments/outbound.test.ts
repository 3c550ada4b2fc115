/** Files that leave with a reply. */

import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { detectMime } from "openclaw/plugin-sdk/media-mime";
import { describe, expect, it } from "vitest";
import { sendFile } from "../../src/attachments/direct.ts";
import { createOutgoing, type OutgoingLimits } from "../../src/attachments/outbound.ts";
import { findOriginal } from "../../src/attachments/original.ts";
import { createSpool } from "../../src/attachments/spool.ts";
import { command, folder, PNG } from "./support.ts";

const DAY_MS = 86_400_000;
const COMMAND = command([]);

function office(limits: Partial<OutgoingLimits> = {}) {
  const dir = folder();
  const workspace = join(dir, "workspace");
  const copies = join(dir, "outgoing");
  mkdirSync(workspace);
  writeFileSync(join(dir, "secret.txt"), "SECRET");
  const lines: string[] = [];
  const say = (line: string): void => void lines.push(line);
  const clock = { now: Date.now() };
  const spool = createSpool(copies, () => clock.now);
  const policy = {
    rules: () => ({ base: workspace, allowed: [workspace], closed: [], sealed: [] }),
    originalOf: (reference: string) => Promise.resolve(reference),
    typeOf: (head: Uint8Array, name: string) => detectMime({ buffer: Buffer.from(head), filePath: name }),
  };
  const outgoing = createOutgoing({ spool, policy, log: { info: say, warn: say, error: say }, keepMs: DAY_MS, limits });
  return {
    dir,
    workspace,
    outgoing,
    spool,
    policy,
    clock,
    lines,
    copies: () => (existsSync(copies) ? readdirSync(copies) : []),
    copyAt: (name: string) => join(copies, name),
    put: (name: string, content: string | Buffer): string => {
      writeFileSync(join(workspace, name), content);
      return join(workspace, name);
    },
  };
}

describe("what the agent's answer names", () => {
  it("is copied, named, typed and summed by the copy", async () => {
    const { outgoing, put, spool, copies, copyAt } = office();
    const { listed, files } = await outgoing.collect(COMMAND, [put("photo.png", PNG)]);
    expect(listed).toEqual([]);
    expect(files).toMatchObject([
      {
        name: "photo.png",
        contentType: "image/png",
        size: 70,
        sha256: createHash("sha256").update(PNG).digest("hex"),
      },
    ]);
    const [file] = files;
    if (file === undefined) throw new Error("no file");
    const source = await spool.source(file);
    expect((await buffer(source.stream())).equals(PNG)).toBe(true);
    expect(statSync(copyAt(file.spool)).mode & 0o777).toBe(0o600);
    expect(copies()).toEqual([file.spool]);
  });

  it("stays as it was, whatever becomes of the original", async () => {
    const { outgoing, put, spool } = office();
    const path = put("a.txt", "first");
    const { files } = await outgoing.collect(COMMAND, [path]);
    writeFileSync(path, "second, and longer");
    const [file] = files;
    if (file === undefined) throw new Error("no file");
    expect((await buffer((await spool.source(file)).stream())).toString()).toBe("first");
  });

  it("is sent once, however often it is named", async () => {
    const { outgoing, put, copies } = office();
    const path = put("a.txt", "x");
    const { files } = await outgoing.collect(COMMAND, [path, path, "a.txt", `file://${path}`]);
    expect(files).toHaveLength(1);
    expect(copies()).toHaveLength(1);
  });

  it("may not be a secret: the reply says no more than that it could not be sent", async () => {
    const { outgoing, dir, workspace, lines, copies } = office();
    symlinkSync(join(dir, "secret.txt"), join(workspace, "harmless.txt"));
    const wanted = [join(dir, "secret.txt"), "harmless.txt", "../secret.txt", "/etc/passwd", "none.txt"];
    const { listed, files } = await outgoing.collect(COMMAND, wanted);
    expect([files, copies()]).toEqual([[], []]);
    expect(listed.map(({ name, error }) => [name, error?.code])).toEqual([
      ["secret.txt", "path_refused"],
      ["harmless.txt", "path_refused"],
      ["secret.txt", "path_refused"],
      ["passwd", "path_refused"],
      ["none.txt", "file_unreadable"],
    ]);
    expect(JSON.stringify(listed)).not.toContain(dir);
    expect(lines).toHaveLength(5);
  });

  it("may be a link, which is passed on and not fetched; only https", async () => {
    const { outgoing } = office();
    const { listed } = await outgoing.collect(COMMAND, [
      "https://example.com/a/chart.png?x=1",
      "http://127.0.0.1/x",
      "https://user@example.com/x",
    ]);
    expect(listed.map(({ name, download_url, error }) => [name, download_url, error?.code])).toEqual([
      ["chart.png", "https://example.com/a/chart.png?x=1", undefined],
      ["x", undefined, "path_refused"],
      ["x", undefined, "path_refused"],
    ]);
  });

  it("has limits: one file, all files, how many, and how much may wait", async () => {
    const { outgoing, put, copies } = office({ fileBytes: 100, replyBytes: 150, files: 3 });
    put("big", Buffer.alloc(101));
    for (const name of ["a", "b", "c", "d", "e"]) put(name, Buffer.alloc(60, name));
    const one = await outgoing.collect(COMMAND, ["big", "a", "b", "c"]);
    expect(one.listed.map(({ name, error }) => [name, error?.code])).toEqual([
      ["big", "payload_too_large"],
      ["c", "payload_too_large"],
    ]);
    expect(one.files).toHaveLength(2);
    expect(copies()).toHaveLength(2);
    for (const name of ["a", "b", "c", "d", "e"]) put(name, name);
    const many = await outgoing.collect(COMMAND, ["a", "b", "c", "d", "e"]);
    expect([many.files.length, many.listed.length]).toEqual([3, 2]);
    const full = office({ storedBytes: 1 });
    full.put("a", "x");
    expect((await full.outgoing.collect(COMMAND, ["a"])).files).toHaveLength(1);
    full.put("b", "y");
    expect((await full.outgoing.collect(COMMAND, ["b"])).listed).toMatchObject([{ error: { code: "disk" } }]);
  });

  it("of a gigabyte is refused before it is read", async () => {
    const { outgoing, put, copies } = office();
    const path = put("sparse", "");
    truncateSync(path, 2 ** 30);
    const before = process.memoryUsage().external;
    expect((await outgoing.collect(COMMAND, [path])).listed).toMatchObject([{ error: { code: "payload_too_large" } }]);
    expect(process.memoryUsage().external - before).toBeLessThan(2 ** 24);
    expect(copies()).toEqual([]);
  });
});

describe("what tools attach", () => {
  it("goes with the reply to that command, once", async () => {
    const { outgoing, put } = office();
    put("a.txt", "x");
    await outgoing.add("other", { reference: "a.txt" });
    const added = await outgoing.add(COMMAND.commandId, { reference: "a.txt", contentType: "text/x-mine" });
    expect(added).toMatchObject({ name: "a.txt", contentType: "text/x-mine", size: 1 });
    expect((await outgoing.collect(COMMAND, ["a.txt"])).files).toEqual([added]);
    expect((await outgoing.collect(COMMAND, [])).files).toEqual([]);
  });

  it("may be a text that is no file at all, and is written nowhere but into its copy", async () => {
    const { outgoing, workspace, spool } = office();
    const added = await outgoing.add("c", { reference: "../../../etc/cron.d/x.csv", text: "a,b" });
    expect(added).toMatchObject({ name: "x.csv", contentType: "text/csv", size: 3 });
    expect(readdirSync(workspace)).toEqual([]);
    expect((await buffer((await spool.source(added)).stream())).toString()).toBe("a,b");
  });

  it("is forgotten with its attempt", async () => {
    const { outgoing, put, copies } = office();
    put("a.txt", "x");
    await outgoing.add(COMMAND.commandId, { reference: "a.txt" });
    await outgoing.forget(COMMAND.commandId);
    expect([(await outgoing.collect(COMMAND, [])).files, copies()]).toEqual([[], []]);
  });

  it("comes from the workspace of the session that sends it, and not from the agent's own", async () => {
    const { outgoing, put, dir } = office();
    const session = join(dir, "session");
    mkdirSync(session);
    writeFileSync(join(session, "a.txt"), "the session's");
    put("a.txt", "x");
    const rules = { base: session, allowed: [session], closed: [], sealed: [] };
    expect(await outgoing.add("c", { reference: "a.txt" }, rules)).toMatchObject({ size: "the session's".length });
    await expect(outgoing.add("c", { reference: put("b.txt", "x") }, rules)).rejects.toMatchObject({
      code: "path_refused",
    });
  });

  it("tells the agent why it may not be sent", async () => {
    const { outgoing, dir } = office();
    await expect(outgoing.add("c", { reference: join(dir, "secret.txt") })).rejects.toMatchObject({
      code: "path_refused",
    });
    await expect(outgoing.add("c", { reference: "none" })).rejects.toMatchObject({ code: "file_unreadable" });
  });
});

describe("copies", () => {
  it("are gone when they are discarded, and when they are old", async () => {
    const { spool, copies, clock, copyAt, dir } = office();
    const keep = () => spool.keep(pieces("x"), 10);
    const one = await keep();
    await keep();
    await spool.discard([one.spool, "../secret.txt", "none"]);
    expect(copies()).toHaveLength(1);
    expect(existsSync(join(dir, "secret.txt"))).toBe(true);
    expect(await spool.sweep(DAY_MS)).toBe(1);
    const [left = ""] = copies();
    utimesSync(copyAt(left), new Date(clock.now - 2 * DAY_MS), new Date(clock.now - 2 * DAY_MS));
    expect(await spool.sweep(DAY_MS)).toBe(0);
    expect(copies()).toEqual([]);
  });

  it("are whole or not there", async () => {
    const { spool, copies } = office();
    async function* broken() {
      yield Buffer.from("half");
      throw new Error("disk");
    }
    await expect(spool.keep(broken(), 10)).rejects.toThrow("disk");
    await expect(spool.keep(pieces("0123456789", "0"), 10)).rejects.toMatchObject({ code: "payload_too_large" });
    expect(copies()).toEqual([]);
  });

  it("that are gone, changed or not ours are not sent", async () => {
    const { spool, copyAt } = office();
    const kept = await spool.keep(pieces("x"), 10);
    writeFileSync(copyAt(kept.spool), "xx");
    const gone = { ...kept, spool: "00000000-0000-4000-8000-000000000000" };
    const notOurs = { ...kept, spool: "../secret.txt", size: "SECRET".length };
    for (const file of [kept, gone, notOurs]) {
      await expect(spool.source(file)).rejects.toMatchObject({ code: "file_unreadable" });
    }
  });
});

it("a copy that became a link between the look at it and its sending is not followed", async () => {
  const { spool, copyAt, dir } = office();
  const kept = await spool.keep(pieces("x"), 10);
  const source = await spool.source(kept);
  rmSync(copyAt(kept.spool));
  symlinkSync(join(dir, "secret.txt"), copyAt(kept.spool));
  await expect(buffer(source.stream())).rejects.toMatchObject({ code: "ELOOP" });
});

describe("a host's copy", () => {
  it("stands for the file it was made of, and for nothing when that lies elsewhere", async () => {
    const { workspace, dir, put } = office();
    mkdirSync(join(workspace, "deep", "er"), { recursive: true });
    put("decoy.txt", "reporx");
    const original = put(join("deep", "er", "my report.txt"), "report");
    const copy = join(dir, "my_report---1.txt");
    writeFileSync(copy, "report");
    expect(await findOriginal(copy, workspace)).toBe(original);
    symlinkSync(join(dir, "secret.txt"), join(workspace, "link"));
    expect(await findOriginal(join(dir, "secret.txt"), workspace)).toBeUndefined();
  });
});

describe("a file sent without a copy", () => {
  it("is read twice from one open file: for its checksum, and to be sent", async () => {
    const { policy, put } = office();
    put("a.png", PNG);
    const sent = await sendFile({ reference: "a.png" }, policy, async (source, facts) => ({
      bytes: await buffer(source.stream()),
      sha256: Buffer.from(source.sha256).toString("hex"),
      facts,
    }));
    expect(sent.bytes.equals(PNG)).toBe(true);
    expect(sent).toMatchObject({ name: "a.png", contentType: "image/png", size: 70, facts: { size: 70 } });
    expect(sent.sha256).toHaveLength(64);
  });

  it("is guarded like any other", async () => {
    const { policy, dir } = office();
    const send = sendFile({ reference: join(dir, "secret.txt") }, policy, () => Promise.resolve({}));
    await expect(send).rejects.toMatchObject({ code: "path_refused" });
  });
});

async function* pieces(...texts: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}
