import { chmod, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { formatPositions, parsePositions } from "../../src/intake/positions.ts";
import { isAgentruxError } from "../../src/errors.ts";
import type { AccountPaths } from "../../src/credentials/home.ts";
import { modeOf, namesIn, temporaryAccount } from "../credentials/support.ts";
import { openWaterline, TOPIC } from "./support.ts";

const OTHER = "0198c0de-0000-7000-8000-0000000000ff";
const STAMP = "20260408-134523";

async function accountWith(text?: string): Promise<AccountPaths> {
  const paths = await temporaryAccount();
  await mkdir(paths.dir, { recursive: true, mode: 0o700 });
  if (text !== undefined) await writeFile(paths.waterline, text, { mode: 0o600 });
  return paths;
}

async function stored(paths: AccountPaths): Promise<unknown> {
  return JSON.parse(await readFile(paths.waterline, "utf8"));
}

describe("the vendor's formats", () => {
  it.each([
    ["v1", { [TOPIC]: 42 }, "a", { kind: "saved", cursor: "42" }],
    ["v1 with a prefixed key", { [`top_${TOPIC}`]: 42 }, "a", { kind: "saved", cursor: "42" }],
    ["v1 at the beginning", { [TOPIC]: 0 }, "a", { kind: "saved", cursor: "0" }],
    ["legacy", { waterline: 42 }, "a", { kind: "none" }],
    ["an empty map", {}, "a", { kind: "none" }],
    [
      "v2 read as A",
      { v: 2, w: { [`top_${TOPIC}`]: { seq: 7, event_id: "evt_x" } } },
      "a",
      { kind: "saved", cursor: "7" },
    ],
    ["v2", { v: 2, w: { [`top_${TOPIC}`]: { seq: 7, event_id: "evt_x" } } }, "b", { kind: "saved", cursor: "evt_x" }],
    ["v3", { v: 3, w: { [`top_${TOPIC}`]: { event_id: "opaque" } } }, "b", { kind: "saved", cursor: "opaque" }],
    ["v3 with a bare key", { v: 3, w: { [TOPIC]: { event_id: "opaque" } } }, "b", { kind: "saved", cursor: "opaque" }],
    ["v3 from the oldest", { v: 3, w: { [`top_${TOPIC}`]: { event_id: "" } } }, "b", { kind: "saved", cursor: "" }],
    ["v1 read as B", { [TOPIC]: 42 }, "b", { kind: "unknown" }],
    ["v3 read as A", { v: 3, w: { [`top_${TOPIC}`]: { event_id: "c" } } }, "a", { kind: "unknown" }],
    ["a negative number", { [TOPIC]: -1 }, "a", { kind: "unknown" }],
    ["a fraction", { [TOPIC]: 1.5 }, "a", { kind: "unknown" }],
    ["an entry that is none", { v: 3, w: { [`top_${TOPIC}`]: null } }, "b", { kind: "unknown" }],
  ] as const)("%s is read", async (_name, document, generation, position) => {
    const paths = await accountWith(JSON.stringify(document));
    expect((await openWaterline(paths, generation)).position(TOPIC)).toMatchObject(position);
  });

  it("are written as the vendor's plugin of each generation reads them", async () => {
    const a = await accountWith();
    const numbers = await openWaterline(a, "a");
    numbers.advance(TOPIC, "42");
    await numbers.flush();
    expect(await stored(a)).toEqual({ [TOPIC]: 42 });
    const b = await accountWith();
    const cursors = await openWaterline(b, "b");
    cursors.advance(TOPIC, "opaque");
    await cursors.flush();
    expect(await stored(b)).toEqual({ v: 3, w: { [`top_${TOPIC}`]: { event_id: "opaque" } } });
  });

  it("keep the other generation's position in the same file", async () => {
    const paths = await accountWith(JSON.stringify({ [TOPIC]: 42, [OTHER]: 7 }));
    const waterline = await openWaterline(paths, "b");
    waterline.reset(TOPIC, "opaque");
    await waterline.flush();
    expect(await stored(paths)).toEqual({
      [TOPIC]: 42,
      [OTHER]: 7,
      v: 3,
      w: { [`top_${TOPIC}`]: { event_id: "opaque" } },
    });
    expect((await openWaterline(paths, "a")).position(TOPIC)).toEqual({ kind: "saved", cursor: "42" });
  });

  it("come back from text as they went", () => {
    const topics = new Map([
      [TOPIC, { a: "5", b: "x" }],
      [OTHER, { a: "0" }],
    ]);
    expect(parsePositions(formatPositions(topics))).toEqual({ ok: true, positions: { topics, unreadable: new Set() } });
  });
});

describe("moving", () => {
  it("keeps topics apart and survives a restart, 0600", async () => {
    const paths = await accountWith();
    const waterline = await openWaterline(paths);
    waterline.advance(TOPIC, "5");
    waterline.advance(OTHER, "9");
    waterline.advance(TOPIC, "6");
    await waterline.flush();
    expect(await modeOf(paths.waterline)).toBe("600");
    expect(await namesIn(paths.dir)).toEqual(["waterline.json"]);
    const reopened = await openWaterline(paths);
    expect(reopened.position(TOPIC)).toEqual({ kind: "saved", cursor: "6" });
    expect(reopened.position(OTHER)).toEqual({ kind: "saved", cursor: "9" });
  });

  it("never goes back by advancing, in neither generation, and does by resetting", async () => {
    const numbers = await openWaterline(await accountWith());
    numbers.advance(TOPIC, "10");
    for (const cursor of ["9", "10", "0", ""]) numbers.advance(TOPIC, cursor);
    expect(numbers.position(TOPIC)).toEqual({ kind: "saved", cursor: "10" });
    numbers.reset(TOPIC, "");
    expect(numbers.position(TOPIC)).toEqual({ kind: "saved", cursor: "" });
    const cursors = await openWaterline(await accountWith(), "b");
    cursors.advance(TOPIC, "x");
    cursors.advance(TOPIC, "");
    expect(cursors.position(TOPIC)).toEqual({ kind: "saved", cursor: "x" });
    await numbers.flush();
    await cursors.flush();
  });

  it("refuses a position that is none in generation A", async () => {
    const waterline = await openWaterline(await accountWith());
    expect(() => waterline.advance(TOPIC, "cur-1")).toThrow("not a sequence number");
    expect(waterline.position(TOPIC)).toEqual({ kind: "none" });
  });

  it("writes once for many moves made together", async () => {
    const paths = await accountWith();
    const waterline = await openWaterline(paths);
    const seen = new Set<string>();
    for (let sequence = 1; sequence <= 2_000; sequence++) {
      waterline.advance(TOPIC, String(sequence));
      if (sequence % 100 === 0) {
        await new Promise((resolve) => setImmediate(resolve));
        seen.add(await readFile(paths.waterline, "utf8").catch(() => "{}"));
      }
    }
    await waterline.flush();
    for (const text of seen) expect(parsePositions(text).ok).toBe(true);
    expect(await stored(paths)).toEqual({ [TOPIC]: 2_000 });
  });

  it("narrows a file that others could read, and says so", async () => {
    const paths = await accountWith("{}");
    await chmod(paths.waterline, 0o644);
    expect((await openWaterline(paths)).findings).toMatchObject([{ kind: "repaired", path: paths.waterline }]);
    expect(await modeOf(paths.waterline)).toBe("600");
  });
});

describe("a file that cannot be understood", () => {
  it.each([
    ["cut off", `{"${TOPIC}":4`],
    ["empty", ""],
    ["of a later version", '{"v":9,"w":{}}'],
    ["a list", "[]"],
  ])("is kept aside and its position is unknown, also after a crash, until one is set: %s", async (_name, text) => {
    const paths = await accountWith(text);
    const kept = `waterline.json.corrupt-${STAMP}`;
    for (let start = 0; start < 2; start++) {
      const waterline = await openWaterline(paths);
      expect(waterline.position(TOPIC)).toMatchObject({ kind: "unknown" });
      expect(waterline.findings).toMatchObject([{ kind: "set-aside", path: `${paths.dir}/${kept}` }]);
      expect(await namesIn(paths.dir)).toEqual(["waterline.json", kept]);
    }
    const waterline = await openWaterline(paths);
    waterline.reset(TOPIC, "8");
    await waterline.flush();
    expect(await readFile(`${paths.dir}/${kept}`, "utf8")).toBe(text);
    expect((await openWaterline(paths)).position(TOPIC)).toEqual({ kind: "saved", cursor: "8" });
    await rm(paths.waterline);
    expect((await openWaterline(paths)).position(TOPIC)).toEqual({ kind: "none" });
  });

  it("may be a folder: that moves away", async () => {
    const paths = await accountWith();
    await mkdir(paths.waterline);
    const waterline = await openWaterline(paths);
    expect(waterline.position(TOPIC)).toMatchObject({ kind: "unknown" });
    waterline.reset(TOPIC, "8");
    await waterline.flush();
    expect(await stored(paths)).toEqual({ [TOPIC]: 8 });
  });
});

describe("a write that fails", () => {
  it("is told, keeps the position in memory, and is made good by the next one", async () => {
    const paths = await accountWith();
    const problems: Error[] = [];
    const waterline = await openWaterline(paths, "a", (error) => problems.push(error));
    await rm(paths.dir, { recursive: true });
    waterline.advance(TOPIC, "5");
    await expect(waterline.flush()).rejects.toSatisfy((error) => isAgentruxError(error, "disk"));
    expect(problems.length).toBeGreaterThan(0);
    expect(waterline.failing).toBe(true);
    expect(waterline.position(TOPIC)).toEqual({ kind: "saved", cursor: "5" });
    await mkdir(paths.dir, { mode: 0o700 });
    await waterline.flush();
    expect(waterline.failing).toBe(false);
    expect(await stored(paths)).toEqual({ [TOPIC]: 5 });
  });
});
