import { execFileSync } from "node:child_process";
import { chmod, copyFile, mkdir, readFile, rm, rmdir, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { type AccountPaths, accountPaths } from "../../src/credentials/home.ts";
import type { StoredCredentials } from "../../src/credentials/schema.ts";
import { loadCredentials, prepareSave } from "../../src/credentials/store.ts";
import { isAgentruxError } from "../../src/errors.ts";
import { modeOf, namesIn, temporaryAccount } from "./support.ts";

const now = () => new Date(2026, 3, 8, 13, 45, 23);
const credentials: StoredCredentials = {
  generation: "a",
  baseUrl: "https://x.org",
  clientId: "scr_1",
  clientSecret: "very-secret",
  scriptId: "scr_1",
};

async function save(paths: AccountPaths) {
  return await (await prepareSave(paths, now)).commit(credentials);
}

describe("loadCredentials", () => {
  it("tells missing from malformed, and names the fault without a value", async () => {
    const paths = await temporaryAccount();
    expect(await loadCredentials(paths)).toEqual({ kind: "missing", findings: [] });
    await mkdir(paths.dir, { recursive: true, mode: 0o700 });
    await writeFile(paths.credentials, '{"clientSecret":"very-secret"}', { mode: 0o600 });
    const loaded = await loadCredentials(paths);
    expect(loaded.kind).toBe("malformed");
    expect(loaded).toMatchObject({ reason: expect.stringContaining("script_id is missing") });
    expect(JSON.stringify(loaded)).not.toContain("very-secret");
  });

  it("repairs a folder and a file that are open to others, and says so", async () => {
    const paths = await temporaryAccount();
    await save(paths);
    await chmod(paths.dir, 0o755);
    await chmod(paths.credentials, 0o644);
    const loaded = await loadCredentials(paths);
    expect(loaded.kind).toBe("ok");
    expect(loaded.findings.map((finding) => [finding.path, finding.kind])).toEqual([
      [paths.dir, "repaired"],
      [paths.credentials, "repaired"],
    ]);
    expect([await modeOf(paths.dir), await modeOf(paths.credentials)]).toEqual(["700", "600"]);
    expect((await loadCredentials(paths)).findings).toEqual([]);
  });

  it("calls a directory and a pipe malformed, is not hung by it and leaves its mode alone", async () => {
    const paths = await temporaryAccount();
    await mkdir(paths.credentials, { recursive: true });
    expect(await loadCredentials(paths)).toMatchObject({ kind: "malformed" });
    await rmdir(paths.credentials);
    execFileSync("mkfifo", ["-m", "644", paths.credentials]);
    expect(await loadCredentials(paths)).toMatchObject({ kind: "malformed" });
    expect(await modeOf(paths.credentials)).toBe("644");
  });
});

describe("prepareSave", () => {
  it("writes 0600 in 0700 folders, leaves nothing else, and replaces what was there", async () => {
    const paths = await temporaryAccount("work");
    expect(await save(paths)).toEqual({ kind: "saved", findings: [] });
    expect([await modeOf(paths.base), await modeOf(paths.dir), await modeOf(paths.credentials)]).toEqual([
      "700",
      "700",
      "600",
    ]);
    expect(await namesIn(paths.dir)).toEqual(["credentials.json"]);
    expect(await loadCredentials(paths)).toMatchObject({ kind: "ok", credentials });
    const second = await (await prepareSave(paths, now)).commit({ ...credentials, clientSecret: "other" });
    expect(second.kind).toBe("saved");
    expect(await namesIn(paths.dir)).toEqual(["credentials.json"]);
  });

  it("leaves nothing behind when discarded", async () => {
    const paths = await temporaryAccount();
    await (await prepareSave(paths, now)).discard();
    expect(await namesIn(paths.dir)).toEqual([]);
  });

  it("fails beforehand where the target is a directory or the folder a file", async () => {
    const paths = await temporaryAccount();
    await mkdir(paths.credentials, { recursive: true });
    const isDisk = (error: unknown) => isAgentruxError(error, "disk") && error.retryable;
    await expect(prepareSave(paths, now)).rejects.toSatisfy(isDisk);
    expect(await namesIn(paths.dir)).toEqual(["credentials.json"]);
    await rm(paths.base, { recursive: true });
    await writeFile(paths.base, "in the way");
    await expect(prepareSave(paths, now)).rejects.toSatisfy(isDisk);
  });

  it("removes what a process killed in mid-save has left, once it is surely dead", async () => {
    const paths = await temporaryAccount();
    await save(paths);
    const fresh = `${paths.credentials}.0123456789ab.tmp`;
    const stale = `${paths.credentials}.ba9876543210.tmp`;
    await writeFile(fresh, "");
    await writeFile(stale, "");
    await utimes(fresh, now(), now());
    await utimes(stale, now(), new Date(now().getTime() - 7_200_000));
    await save(paths);
    expect(await namesIn(paths.dir)).toEqual(["credentials.json", "credentials.json.0123456789ab.tmp"]);
  });

  it("keeps a malformed file under another name instead of destroying it", async () => {
    const paths = await temporaryAccount();
    await mkdir(paths.dir, { recursive: true });
    await writeFile(paths.credentials, "{typed by hand", { mode: 0o600 });
    const result = await save(paths);
    expect(result).toMatchObject({ kind: "saved", findings: [{ kind: "set-aside" }] });
    const kept = `${paths.credentials}.malformed-20260408-134523`;
    expect(await readFile(kept, "utf8")).toBe("{typed by hand");
  });

  it("keeps the secret when the commit fails after all: in memory, in an emergency file, and by retrying", async () => {
    const paths = await temporaryAccount();
    const prepared = await prepareSave(paths, now);
    await mkdir(paths.credentials);
    const result = await prepared.commit(credentials);
    const emergency = `${paths.credentials}.recovered-20260408-134523`;
    if (result.kind !== "unsaved") throw new Error("the commit cannot have worked");
    expect(result.emergencyFile).toBe(emergency);
    expect(result.cause.message).not.toContain("very-secret");
    expect(await modeOf(emergency)).toBe("600");
    expect(await namesIn(paths.dir)).toEqual(["credentials.json", "credentials.json.recovered-20260408-134523"]);

    expect(await loadCredentials(paths)).toMatchObject({ kind: "ok", credentials, findings: [{ kind: "recovered" }] });
    await expect(result.retry()).rejects.toSatisfy((error) => isAgentruxError(error, "disk"));
    await rmdir(paths.credentials);
    await result.retry();
    expect(await namesIn(paths.dir)).toEqual(["credentials.json"]);
    expect(await modeOf(paths.credentials)).toBe("600");
    expect(await loadCredentials(paths)).toEqual({ kind: "ok", credentials, findings: [] });
  });

  it("takes up an emergency file after a restart, once", async () => {
    const paths = await temporaryAccount();
    const prepared = await prepareSave(paths, now);
    await mkdir(paths.credentials);
    await prepared.commit(credentials);
    await rmdir(paths.credentials);
    expect(await loadCredentials(paths)).toMatchObject({ kind: "ok", credentials, findings: [{ kind: "recovered" }] });
    expect(await namesIn(paths.dir)).toEqual(["credentials.json"]);
    // Deleting credentials.json is how a person asks for re-activation: nothing may bring it back.
    await rm(paths.credentials);
    expect((await loadCredentials(paths)).kind).toBe("missing");
  });

  /** An account whose secret was replaced at the service and not on disk. */
  async function rotatedInVain(obstruct: (paths: AccountPaths) => Promise<void>) {
    const paths = await temporaryAccount();
    await save(paths);
    const prepared = await prepareSave(paths, now);
    await obstruct(paths);
    const result = await prepared.commit({ ...credentials, clientSecret: "rotated" });
    if (result.kind !== "unsaved") throw new Error("the commit cannot have worked");
    return { paths, result };
  }

  async function removeReserved(paths: AccountPaths): Promise<void> {
    for (const name of await namesIn(paths.dir)) if (name.endsWith(".tmp")) await rm(join(paths.dir, name));
  }

  it("replaces the old secret when the write that failed is tried again, and tells of the new one until then", async () => {
    const { paths, result } = await rotatedInVain(removeReserved);
    const loaded = await loadCredentials(paths);
    expect(loaded).toMatchObject({ kind: "ok", credentials, findings: [{ path: result.emergencyFile }] });
    expect(JSON.stringify(loaded.findings)).not.toContain("rotated");
    await result.retry();
    const stored = { ...credentials, clientSecret: "rotated" };
    expect(await loadCredentials(paths)).toEqual({ kind: "ok", credentials: stored, findings: [] });
    expect(await namesIn(paths.dir)).toEqual(["credentials.json"]);
  });

  it("fills a mounted file, onto which nothing can be renamed", async ({ skip }) => {
    let mayMount = true;
    const { paths, result } = await rotatedInVain(async ({ base, credentials: file }) => {
      const outside = join(base, "outside");
      await copyFile(file, outside);
      try {
        execFileSync("mount", ["--bind", outside, file], { stdio: "ignore" });
        onTestFinished(() => void execFileSync("umount", [file]));
      } catch {
        mayMount = false;
        await removeReserved(accountPaths("default", base));
      }
    });
    if (!mayMount) skip("mounting takes rights that this process does not have");
    await result.retry();
    expect(await loadCredentials(paths)).toMatchObject({ kind: "ok", credentials: { clientSecret: "rotated" } });
    expect(await namesIn(paths.dir)).toEqual(["credentials.json", "outside"]);
  });

  it("does not let a late retry overwrite newer credentials", async () => {
    const paths = await temporaryAccount();
    const prepared = await prepareSave(paths, now);
    await mkdir(paths.credentials);
    const result = await prepared.commit(credentials);
    await rmdir(paths.credentials);
    await (await prepareSave(paths, now)).commit({ ...credentials, clientSecret: "newer" });
    if (result.kind === "unsaved") await result.retry();
    expect(await loadCredentials(paths)).toMatchObject({ kind: "ok", credentials: { clientSecret: "newer" } });
    expect(await namesIn(paths.dir)).toEqual(["credentials.json"]);
  });
});
