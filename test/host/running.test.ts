/** What is asked of a running account is done as the account's own work, whoever asks. */

import { AsyncLocalStorage } from "node:async_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, expect, it } from "vitest";
import type { RunningAccount } from "../../src/account/types.ts";
import { noWatches } from "../../src/flux/watch/watch-set.ts";
import { all, find, register } from "../../src/host/running.ts";

const context = new AsyncLocalStorage<string>();
let forget = (): void => undefined;
/** Where the account's work ran: at once, and what it set going. */
let ran: (string | undefined)[] = [];

async function work(): Promise<void> {
  ran.push(context.getStore());
  await sleep(1);
  ran.push(context.getStore());
}

const account = {
  acceptHostReply: async () => {
    await work();
    return "accepted";
  },
  watches: {
    ...noWatches(undefined),
    remove: async (id: string) => {
      await work();
      return id === "heat";
    },
  },
  health: () => ({ context: context.getStore() ?? "none" }),
} as Partial<RunningAccount> as RunningAccount;

afterEach(() => {
  forget();
  ran = [];
});

const caller = <T>(what: (running: RunningAccount) => T): T =>
  context.run("the caller", () => {
    const running = find("default");
    if (running === undefined) throw new Error("the account is not registered");
    return what(running);
  });

it("works in the context in which the account was registered, not in the caller's", async () => {
  forget = context.run("the account", () => register("default", account));
  expect(await caller((running) => running.acceptHostReply("cmd:1", "done", []))).toBe("accepted");
  expect(await caller((running) => running.watches.remove("heat"))).toBe(true);
  expect(await caller((running) => running.watches.remove("cold"))).toBe(false);
  expect(caller((running) => running.health())).toEqual({ context: "the account" });
  expect(new Set(ran)).toEqual(new Set(["the account"]));
});

it("gives the caller its own context back", async () => {
  forget = context.run("the account", () => register("default", account));
  const after = await caller(async (running) => {
    await running.watches.remove("heat");
    return context.getStore();
  });
  expect(after).toBe("the caller");
});

it("takes back only what it registered", () => {
  const first = register("default", account);
  forget = register("default", account);
  const second = find("default");
  first();
  expect(find("default")).toBe(second);
  forget();
  expect(find("default")).toBeUndefined();
  expect(all().size).toBe(0);
});
