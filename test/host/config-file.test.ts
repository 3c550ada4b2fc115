import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { AccountConfig } from "../../src/config/account.ts";
import type { HostConfig } from "../../src/config/places.ts";
import { resolveAccountConfig } from "../../src/config/resolve.ts";
import { createConfigFile, type Reading } from "../../src/host/config-file.ts";
import { liveConfig } from "../../src/host/live-config.ts";
import { setRuntime } from "../../src/host/runtime.ts";

const keys = {
  commandTopicId: "11111111-1111-4111-8111-111111111111",
  resultTopicId: "22222222-2222-4222-8222-222222222222",
  agentId: "main",
};
const withKeys = (more: object): HostConfig => ({ channels: { agentrux: { ...keys, ...more } } });

let dir: string;
let path: string;
let now = 0;
const read = vi.fn<() => Promise<Reading>>();

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "agentrux-config-"));
  path = join(dir, "openclaw.json");
  await writeFile(path, "1");
  now = 0;
  says({});
});
afterEach(async () => {
  read.mockReset();
  await rm(dir, { recursive: true, force: true });
});

function says(more: object): void {
  read.mockResolvedValue({ paths: [path], config: withKeys(more) });
}

/** What is known once a look has come to its end. */
async function looked(latest: () => unknown): Promise<unknown> {
  now += 1_000;
  latest();
  await new Promise((resolve) => void setTimeout(resolve, 30));
  return latest();
}

/** As the host writes it. */
async function replaceFile(text: string): Promise<void> {
  await writeFile(`${path}.new`, text);
  await rename(`${path}.new`, path);
}

describe("the configuration's file", () => {
  it("is looked at once a second at most, and read again only when it has changed", async () => {
    const file = createConfigFile(read, () => now);
    expect(file.latest()).toBeUndefined();
    expect(await looked(() => file.latest())).toEqual(withKeys({}));
    await looked(() => file.latest());
    const reads = read.mock.calls.length;
    await looked(() => file.latest());
    await looked(() => file.latest());
    expect(read).toHaveBeenCalledTimes(reads);

    says({ enabled: false });
    await replaceFile("2");
    for (let asked = 0; asked < 10; asked += 1) expect(file.latest()).toEqual(withKeys({}));
    expect(await looked(() => file.latest())).toEqual(withKeys({ enabled: false }));
    expect(read).toHaveBeenCalledTimes(reads + 1);
  });

  it("is read again when a file that it includes has changed", async () => {
    const included = join(dir, "channels.json");
    await writeFile(included, "1");
    read.mockResolvedValue({ paths: [path, included], config: withKeys({}) });
    const file = createConfigFile(read, () => now);
    for (let n = 0; n < 3; n += 1) await looked(() => file.latest());
    read.mockResolvedValue({ paths: [path, included], config: withKeys({ enabled: false }) });
    await writeFile(included, "22");
    expect(await looked(() => file.latest())).toEqual(withKeys({ enabled: false }));
  });

  it("counts as it was while it is missing, not valid, or cannot be read", async () => {
    const file = createConfigFile(read, () => now);
    await looked(() => file.latest());
    const before = await looked(() => file.latest());
    await rm(path);
    expect(await looked(() => file.latest())).toBe(before);
    read.mockResolvedValue({ paths: [path], config: undefined });
    await replaceFile("{");
    expect(await looked(() => file.latest())).toBe(before);
    read.mockRejectedValue(new Error("torn"));
    await replaceFile("{ half");
    expect(await looked(() => file.latest())).toBe(before);
    says({ enabled: false });
    expect(await looked(() => file.latest())).toEqual(withKeys({ enabled: false }));
  });
});

describe("an account's settings while it runs", () => {
  const warn = vi.fn();
  let inFile: HostConfig | undefined;
  let given: HostConfig;
  let current: () => AccountConfig;

  beforeEach(() => {
    warn.mockReset();
    inFile = undefined;
    given = withKeys({});
    setRuntime({ config: { current: () => given } } as unknown as Parameters<typeof setRuntime>[0]);
    current = liveConfig(resolveAccountConfig(given, "default"), { warn }, { latest: () => inFile });
  });

  it("say that it is switched off as soon as the file does, once in the log, and take it back", () => {
    expect(current().enabled).toBe(true);
    inFile = withKeys({ enabled: false });
    expect(current()).toEqual({ ...resolveAccountConfig(given, "default"), enabled: false });
    expect(current()).toBe(current());
    given = withKeys({ maxConcurrency: 7 });
    expect(current()).toMatchObject({ enabled: false, maxConcurrency: 7 });
    expect(warn.mock.calls).toEqual([[expect.stringContaining("switched off")]]);
    inFile = withKeys({});
    expect(current()).toMatchObject({ enabled: true, maxConcurrency: 7 });
  });

  it("take nothing else from the file: that is the host's to give out", () => {
    inFile = withKeys({ maxConcurrency: 9, agentId: "other" });
    expect(current()).toEqual(resolveAccountConfig(given, "default"));
    expect(warn).not.toHaveBeenCalled();
  });

  it("say that it is switched off when the host does", () => {
    given = withKeys({ enabled: false });
    expect(current().enabled).toBe(false);
  });

  it("do not mind another account that is switched off", () => {
    inFile = { channels: { agentrux: { ...keys, accounts: { other: { enabled: false } } } } };
    expect(current().enabled).toBe(true);
  });
});
