import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import type { Worker } from "node:worker_threads";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { AgentruxError } from "../../src/errors.ts";
import { openJournal, waitForJournal, type JournalFile, type JournalOptions } from "../../src/journal/journal.ts";
import { openOperatorJournal } from "../../src/journal/operator-journal.ts";
import type { JournalFinding } from "../../src/journal/set-aside.ts";
import { codeOf, hex, reply, row, tempDir, wholeReply } from "./support.ts";

/** A real time: upkeep, which runs beside these tests, forgets ids that are days old. */
const NOW = Date.now();

let dir: ReturnType<typeof tempDir>;
let files: JournalFile[];
let children: ChildProcess[];

beforeEach(() => {
  dir = tempDir();
  files = [];
  children = [];
});

afterEach(async () => {
  for (const child of children) child.kill("SIGKILL");
  await Promise.all(files.map((file) => file.close()));
  dir.remove();
});

async function open(options: Partial<JournalOptions> = {}): Promise<JournalFile> {
  const file = await openJournal({ directory: dir.path, ...options });
  files.push(file);
  return file;
}

/** With the thread it runs in, and every failure it tells of. */
async function openWithThread() {
  const threads: Worker[] = [];
  const note = (one: Worker) => threads.push(one);
  const failures: AgentruxError[] = [];
  process.on("worker", note);
  const file = await open({ onFailure: (error) => failures.push(error) });
  process.off("worker", note);
  const [thread] = threads;
  if (thread === undefined) throw new Error("the journal has no thread");
  return { file, thread, failures };
}

const fixture = (name: string): string => fileURLToPath(new URL(`./fixtures/${name}.ts`, import.meta.url));
const pathOf = (): string => join(dir.path, "journal.sqlite");

/** Another process that owns the journal. */
async function holder(...args: readonly string[]): Promise<ChildProcess> {
  const child = spawn(process.execPath, [fixture("hold"), dir.path, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  children.push(child);
  await once(child.stdout, "data");
  return child;
}

describe("an open journal", () => {
  it("has written down what it confirms", async () => {
    const journal = (await open()).account("default");
    const { ids } = await journal.admit("t", [row("a"), row("b")], NOW);
    const reader = new DatabaseSync(pathOf(), { readOnly: true });
    expect(Number(reader.prepare("SELECT count(*) AS n FROM commands").get()?.["n"])).toBe(2);
    await journal.begin(ids[0] ?? 0);
    expect(reader.prepare("SELECT state FROM commands WHERE id = ?").get(ids[0] ?? 0)?.["state"]).toBe("running");
    reader.close();
  });

  it("is readable by its owner only", async () => {
    await (await open()).account("default").admit("t", [row("a")], NOW);
    const names = readdirSync(dir.path);
    expect(names).toContain("journal.sqlite-wal");
    for (const name of names) expect([name, statSync(join(dir.path, name)).mode & 0o777]).toEqual([name, 0o600]);
  });

  it("makes its folder for its owner only, and takes rights from files that others could read", async () => {
    const directory = join(dir.path, "made", "here");
    const file = await openJournal({ directory });
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    await file.close();
    const path = join(directory, "journal.sqlite");
    const loose = [path, `${path}-wal`, `${path}-shm`];
    for (const name of loose) {
      writeFileSync(name, "", { flag: "a" });
      chmodSync(name, 0o644);
    }
    const again = await openJournal({ directory });
    for (const name of loose) expect([name, statSync(name).mode & 0o777]).toEqual([name, 0o600]);
    await again.close();
  });

  it("tells its size with its log, and stays below the one it is given", async () => {
    const file = await open({ maxBytes: 1 });
    // Upkeep may write meanwhile.
    expect(await file.bytes()).toBeGreaterThan(statSync(pathOf()).size);
    expect(await codeOf(file.account("default").admit("t", [row("a")], NOW))).toBe("disk");
    await file.close();
    const closed = await file.bytes();
    expect(closed).toBe(statSync(pathOf()).size);
  });

  it("keeps what it is told to keep", async () => {
    const retention = { idsForMs: 1e12, minIds: 0, maxIds: 1e6, deadLettersForMs: 1, maxDeadLetters: 10 };
    const file = await open({ retention });
    const journal = file.account("default");
    const { ids } = await journal.admit("t", [row("a")], NOW);
    await journal.reply(ids[0] ?? 0, [], NOW - 1_000, "no luck");
    // Upkeep comes by soon after the start, or at the next start.
    await file.close();
    const again = (await open({ retention })).account("default");
    for (let left = await again.deadLetters(1e9, 1); left.length > 0; left = await again.deadLetters(1e9, 1));
    expect((await again.numbers()).deadLetters).toBe(0);
  });

  it("commits calls that wait together as one", async () => {
    const journal = (await open()).account("default");
    const wal = (): number => statSync(`${pathOf()}-wal`).size;
    const begin = wal();
    for (let n = 0; n < 60; n += 1) await journal.admit("t", [row(`one-${n}`)], NOW);
    const single = wal() - begin;
    await Promise.all(Array.from({ length: 60 }, (_, n) => journal.admit("t", [row(`many-${n}`)], NOW)));
    expect(wal() - begin - single).toBeLessThan(single / 4);
  });

  it("finishes what was called before it closes, and refuses what comes after", async () => {
    const file = await open();
    const journal = file.account("default");
    const admitted = journal.admit("t", [row("a")], NOW);
    await Promise.all([file.close(), file.close()]);
    expect((await admitted).ids[0]).toBeGreaterThan(0);
    expect(await codeOf(journal.numbers())).toBe("stopped");
    expect((await (await open()).account("default").numbers()).received).toBe(1);
  });

  it.each([
    { how: "ends without a word", end: (thread: Worker) => void thread.terminate() },
    {
      how: "throws",
      end: (thread: Worker) => thread.emit("error", new Error("out of memory")) && void thread.terminate(),
    },
  ])("says so once when its thread $how, leaves no call waiting, and can be opened again", async ({ end }) => {
    const { file, thread, failures } = await openWithThread();
    const journal = file.account("default");
    await journal.admit("t", [row("a")], NOW);
    end(thread);
    expect(await codeOf(journal.admit("t", [row("b")], NOW))).toBe("disk");
    expect(await codeOf(journal.numbers())).toBe("disk");
    expect(failures.map(({ code, message }) => [code, message])).toEqual([["disk", "The journal's thread has ended."]]);
    const again = await open();
    expect((await again.account("default").admit("t", [row("a")], NOW)).ids).toEqual([0]);
  });

  it("says so when its thread fails while it closes, and closes", async () => {
    const { file, thread, failures } = await openWithThread();
    const closed = file.close();
    thread.emit("error", new Error("disk I/O error"));
    await closed;
    expect(failures.map(({ code }) => code)).toEqual(["disk"]);
    expect((await (await open()).account("default").numbers()).received).toBe(0);
  });

  it("refuses to take over on a full disk, keeps what it has, and says so as retryable", () => {
    const command = `trap '' XFSZ; ulimit -f 2000; exec "$0" "$1" "$2"`;
    const output = execFileSync("/bin/sh", ["-c", command, process.execPath, fixture("fill"), dir.path], {
      encoding: "utf8",
    });
    const result = JSON.parse(output) as { taken: number; received: number; fault: unknown };
    expect(result.fault).toEqual({ code: "disk", retryable: true });
    expect(result.taken).toBeGreaterThan(5);
    expect(result.received).toBe(result.taken);
  });

  it("takes over again once another writer has let go", async () => {
    const journal = (await open()).account("default");
    const other = new DatabaseSync(pathOf());
    other.exec("BEGIN IMMEDIATE");
    expect(await codeOf(journal.admit("t", [row("a")], NOW))).toBe("disk");
    other.exec("ROLLBACK");
    other.close();
    expect((await journal.admit("t", [row("a")], NOW)).ids[0]).toBeGreaterThan(0);
  });
});

describe("ownership", () => {
  it("belongs to one process; the second is told whose it is", async () => {
    const child = await holder();
    const error = await openJournal({ directory: dir.path }).catch((fault: unknown) => fault);
    expect(error).toMatchObject({ code: "journal_locked", retryable: true, details: { pid: child.pid } });
  });

  it("belongs to one opener within a process too", async () => {
    await open();
    expect(await codeOf(openJournal({ directory: dir.path }))).toBe("journal_locked");
  });

  it("passes on when the owner is killed, with everything it had confirmed", async () => {
    const child = await holder(hex("theirs"));
    const standby: (number | undefined)[] = [];
    const waiting = waitForJournal({ directory: dir.path }, new AbortController().signal, (pid) => {
      standby.push(pid);
      child.kill("SIGKILL");
    });
    const file = await waiting;
    files.push(file);
    expect(standby).toEqual([child.pid]);
    expect((await file.account("default").admit("t", [row("theirs")], NOW)).ids).toEqual([0]);
  });

  it("stays with an owner that is suspended", async () => {
    const child = await holder();
    child.kill("SIGSTOP");
    expect(await codeOf(openJournal({ directory: dir.path }))).toBe("journal_locked");
    child.kill("SIGCONT");
  });

  it("is not waited for after an abort", async () => {
    await holder();
    const stop = new AbortController();
    const waiting = waitForJournal({ directory: dir.path }, stop.signal, () => stop.abort());
    expect(await codeOf(waiting)).toBe("aborted");
  });

  it("is free again after a failed opening", async () => {
    await (await open()).close();
    const db = new DatabaseSync(pathOf());
    db.exec("PRAGMA user_version = 99");
    db.close();
    expect(await codeOf(open())).toBe("config");
    expect(await codeOf(open())).toBe("config");
    expect(readdirSync(dir.path).filter((name) => name.includes("corrupt"))).toEqual([]);
  });
});

describe("a damaged journal", () => {
  const findings: JournalFinding[] = [];
  const onFinding = (finding: JournalFinding): void => void findings.push(finding);

  beforeEach(() => {
    findings.length = 0;
  });

  it("that is no database is set aside as it is, and a new one begun", async () => {
    writeFileSync(pathOf(), "this is not a database, but somebody may want it back".repeat(100));
    const journal = (await open({ onFinding })).account("default");
    expect((await journal.admit("t", [row("a")], NOW)).ids[0]).toBeGreaterThan(0);
    expect(findings).toHaveLength(1);
    const aside = findings[0]?.setAside ?? "";
    expect(aside).toMatch(/journal\.sqlite\.corrupt-\d{8}-\d{6}$/);
    expect(readFileSync(aside, "utf8")).toContain("somebody may want it back");
  });

  it("gives back what can still be read, under the same numbers", async () => {
    const file = await open();
    const journal = file.account("default");
    const rows = Array.from({ length: 400 }, (_, n) => row(`e${n}`, { body: JSON.stringify("x".repeat(2_000)) }));
    const { ids } = await journal.admit("t", rows, NOW);
    await journal.reply(ids[399] ?? 0, [wholeReply("last")], 2);
    await file.close();
    const middle = Math.floor(statSync(pathOf()).size / 2 / 4096) * 4096;
    execFileSync(process.execPath, [fixture("overwrite"), pathOf(), String(middle), "40960"]);

    const again = (await open({ onFinding })).account("default");
    const rescued = findings[0]?.rescued ?? 0;
    expect(rescued).toBeGreaterThan(300);
    expect(rescued).toBeLessThan(400);
    const openIds = (await again.openCommands(0, 1_000)).map((command) => command.id);
    expect(openIds.slice(0, 100)).toEqual(ids.slice(0, 100));
    expect(await again.nextReply(ids[399] ?? 0)).toMatchObject({ replyId: "idk_last_1" });
    // What was known stays known, and new numbers are far from the old ones.
    const rescuedRows = rows.filter((_, n) => openIds.includes(ids[n] ?? 0));
    const admitted = await again.admit("t", [...rescuedRows, row("new")], NOW);
    expect(admitted.ids.slice(0, -1).filter((id) => id !== 0)).toEqual([]);
    expect(admitted.ids.at(-1)).toBeGreaterThan(1_000_000);
  });

  it("is replaced while running, and what met the damage may try again", async () => {
    const journal = (await open({ onFinding })).account("default");
    const rows = Array.from({ length: 3_000 }, (_, n) => row(`e${n}`, { body: JSON.stringify("x".repeat(3_000)) }));
    await journal.admit("t", rows, NOW);
    const other = new DatabaseSync(pathOf());
    other.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    other.close();
    execFileSync(process.execPath, [fixture("overwrite"), pathOf(), String(4096 * 400), String(4096 * 900)]);

    const first = await codeOf(journal.openCommands(0, 10_000));
    expect(first).toBe("journal_corrupt");
    expect(findings).toHaveLength(1);
    expect((await journal.openCommands(0, 10_000)).length).toBe(findings[0]?.rescued);
    expect((await journal.admit("t", [row("after")], NOW)).ids[0]).toBeGreaterThan(1_000_000);
  });
});

describe("the operator's way in", () => {
  it("is nothing when there is no journal, and makes none", async () => {
    expect(await openOperatorJournal(dir.path, "default")).toBeUndefined();
    expect(existsSync(pathOf())).toBe(false);
  });

  it("tells its owner, and nobody where it is the owner itself", async () => {
    await (await open()).close();
    const alone = await openOperatorJournal(dir.path, "default");
    expect([alone?.owned, alone?.ownerPid]).toEqual([false, undefined]);
    expect(await alone?.move("t", "c")).toBeUndefined();
    expect(await alone?.act("drop", 1)).toBe("not found");
    await alone?.close();
    const child = await holder();
    const guest = await openOperatorJournal(dir.path, "default");
    expect([guest?.owned, guest?.ownerPid]).toEqual([true, child.pid]);
    await guest?.close();
  });

  it("drops and shows a letter by itself, once", async () => {
    const file = await open();
    const journal = file.account("default");
    const { ids } = await journal.admit("t", [row("a")], NOW);
    await journal.reply(ids[0] ?? 0, [], NOW, "no luck");
    await file.close();
    const operator = await openOperatorJournal(dir.path, "default");
    const [letter] = (await operator?.deadLetters(1e9, 10)) ?? [];
    expect(await operator?.deadLetter(letter?.id ?? 0)).toMatchObject({ reason: "no luck", body: '{"name":"a"}' });
    expect(await operator?.act("drop", letter?.id ?? 0)).toBe("done");
    expect(await operator?.deadLetters(1e9, 10)).toEqual([]);
    await operator?.close();
  });

  it("asks a gateway to read on elsewhere, and hears of it", async () => {
    const journal = (await open()).account("default");
    const operator = await openOperatorJournal(dir.path, "default");
    const moving = operator?.move("t", "c 7");
    let requests = await journal.openRequests();
    while (requests.length === 0) requests = await journal.openRequests();
    expect(requests).toMatchObject([{ wanted: { action: "move", topicId: "t", cursor: "c 7" } }]);
    await journal.answerRequest(requests[0]?.id ?? 0, "done", NOW);
    expect(await moving).toBe("done");
    expect(await operator?.deadLetter(1)).toBeUndefined();
    await operator?.close();
  });

  it("is refused beside a gateway of another release, and where the journal cannot be opened at all", async () => {
    await holder();
    const db = new DatabaseSync(pathOf());
    db.exec("PRAGMA user_version = 2");
    db.close();
    expect(await codeOf(openOperatorJournal(dir.path, "default"))).toBe("config");
    children.pop()?.kill("SIGKILL");
    const newer = new DatabaseSync(pathOf());
    newer.exec("PRAGMA user_version = 99");
    newer.close();
    expect(await codeOf(openOperatorJournal(dir.path, "default"))).toBe("config");
  });

  it("acts by itself while no gateway runs", async () => {
    const file = await open();
    const journal = file.account("default");
    const { ids } = await journal.admit("t", [row("a")], NOW);
    await journal.begin(ids[0] ?? 0);
    await journal.reply(ids[0] ?? 0, [reply("a")], NOW, "no luck");
    await file.close();

    const operator = await openOperatorJournal(dir.path, "default");
    const [letter] = (await operator?.deadLetters(1e9, 10)) ?? [];
    expect(await operator?.act("replay", letter?.id ?? 0)).toBe("done");
    expect(await operator?.act("drop", letter?.id ?? 0)).toBe("not found");
    expect(await operator?.inbox(0, 10)).toMatchObject([{ state: "received", replays: 1 }]);
    await operator?.close();
    await open();
  });

  it("reads beside a running gateway and leaves it to act", async () => {
    const journal = (await open()).account("default");
    await journal.admit("t", [row("a")], NOW);
    // The journal is owned by this process, as a gateway would own it.
    const operator = await openOperatorJournal(dir.path, "default");
    expect(operator?.ownerPid).toBe(process.pid);
    expect(await operator?.numbers()).toMatchObject({ received: 1 });

    const acting = operator?.act("replay", 7);
    while ((await journal.openRequests()).length === 0);
    const [request] = await journal.openRequests();
    expect(request).toMatchObject({ wanted: { action: "replay", deadLetter: 7 } });
    await journal.answerRequest(request?.id ?? 0, "not found", NOW);
    expect(await acting).toBe("not found");
    await operator?.close();
  });
});
