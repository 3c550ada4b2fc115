/** The journal on disk against a few maps in memory: any sequence of calls gives the same answers, over restarts too. */

import * as fc from "fast-check";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openStore } from "../../src/journal/store.ts";
import type { JournalOperations } from "../../src/journal/types.ts";
import { apply, MemoryJournal } from "../promises/support/memory-journal.ts";
import { hex, operations, reply, row, tempDir } from "./support.ts";

type Operation = keyof JournalOperations;
interface Step {
  readonly operation: Operation | "restart";
  readonly args: readonly unknown[];
}

const small = fc.integer({ min: 1, max: 8 });
const name = fc.integer({ min: 0, max: 12 }).map((n) => `e${n}`);
const requestKey = fc.option(
  fc.integer({ min: 0, max: 4 }).map((n) => hex(`r${n}`)),
  { nil: undefined },
);
const parts = fc.integer({ min: 1, max: 3 }).map((n) => Array.from({ length: n }, (_, part) => reply("p", part + 1)));
const admissionRow = fc
  .record({ name, requestKey, lane: fc.constantFrom("l1", "l2"), replies: fc.option(parts, { nil: undefined }) })
  .map(({ name: event, requestKey: key, lane, replies }) =>
    row(event, {
      lane,
      ...(key === undefined ? {} : { requestKey: key }),
      ...(replies === undefined ? {} : { replies }),
    }),
  );

const call = (operation: Operation, ...args: readonly fc.Arbitrary<unknown>[]): fc.Arbitrary<Step> =>
  fc.tuple(...args).map((values) => ({ operation, args: values }));
const time = fc.integer({ min: 0, max: 1_000 });

const wanted = fc.oneof(
  fc.record({ action: fc.constantFrom("replay", "drop"), deadLetter: small }),
  fc.record({ action: fc.constant("move"), topicId: fc.constantFrom("t", "u"), cursor: fc.constantFrom("7", 'c"[') }),
);

const watchName = fc.constantFrom("w", "v");
const maybe = <T>(one: fc.Arbitrary<T>) => fc.option(one, { nil: undefined });
const watchedEntity = fc
  .record({ entity: fc.constantFrom("a", "b", "lab/c"), state: maybe(fc.constant("[]")), toldAt: maybe(time) })
  .map(({ entity, state, toldAt }) => ({
    entity,
    ...(state === undefined ? {} : { state }),
    ...(toldAt === undefined ? {} : { toldAt }),
  }));
const watchFlush = fc
  .record({
    rows: fc.array(admissionRow, { maxLength: 2 }),
    entities: fc.array(watchedEntity, { maxLength: 3 }),
    sequence: fc.nat(5),
    turns: fc.array(time, { maxLength: 2 }),
    basis: maybe(fc.constantFrom("x", "y")),
  })
  .map(({ basis, ...rest }) => ({ topicId: "flux:w", ...rest, ...(basis === undefined ? {} : { basis }) }));

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: call("admit", fc.constant("t"), fc.array(admissionRow, { minLength: 1, maxLength: 4 }), time),
  },
  { weight: 5, arbitrary: call("begin", small) },
  { weight: 3, arbitrary: call("putBack", small, small, fc.boolean(), time) },
  { weight: 4, arbitrary: call("reply", small, parts, time, fc.option(fc.constant("death"), { nil: undefined })) },
  { weight: 4, arbitrary: call("nextReply", small) },
  { weight: 3, arbitrary: call("markSending", small, time) },
  { weight: 2, arbitrary: call("deferReply", small, time, fc.boolean()) },
  { weight: 5, arbitrary: call("acknowledge", small) },
  { weight: 1, arbitrary: call("replaceReplies", small, parts, time) },
  { weight: 1, arbitrary: call("rewriteReply", small, fc.constantFrom("{}", "[]")) },
  { weight: 1, arbitrary: call("expireReply", small, fc.constant("old"), time) },
  { weight: 2, arbitrary: call("openCommands", fc.nat(8), small) },
  { weight: 2, arbitrary: call("unsentCommands", fc.nat(8), small) },
  { weight: 1, arbitrary: call("openCommand", small) },
  { weight: 1, arbitrary: call("findOpen", name.map(hex)) },
  { weight: 2, arbitrary: call("replay", small, time) },
  { weight: 1, arbitrary: call("drop", small) },
  { weight: 1, arbitrary: call("deadLetter", small) },
  { weight: 1, arbitrary: call("ask", wanted, time) },
  { weight: 1, arbitrary: call("answerRequest", small, fc.constant("done"), time) },
  { weight: 1, arbitrary: call("requestOutcome", small) },
  { weight: 1, arbitrary: call("openRequests") },
  { weight: 2, arbitrary: call("numbers") },
  { weight: 2, arbitrary: call("keepWatch", watchName, time, fc.option(fc.constant("{}"), { nil: undefined })) },
  { weight: 3, arbitrary: call("admitWatch", watchName, watchFlush, time) },
  { weight: 1, arbitrary: call("rebaseWatch", watchName) },
  { weight: 1, arbitrary: call("forgetWatch", watchName) },
  { weight: 2, arbitrary: call("watches") },
  { weight: 2, arbitrary: call("watchedEntities", watchName, fc.constantFrom("", "a"), small) },
  { weight: 1, arbitrary: fc.constant<Step>({ operation: "restart", args: [] }) },
);

/** What both sides must agree on: the fields an answer has for every caller. */
function comparable(operation: Operation, value: unknown): unknown {
  const picked = (one: unknown): unknown => {
    if (typeof one !== "object" || one === null) return one;
    const {
      topicId: _topic,
      replies: _replies,
      lane: _lane,
      producer: _producer,
      ...rest
    } = one as Record<string, unknown>;
    // A list of commands leaves the bodies out; the model does not bother.
    if (operation === "openCommands" || operation === "replay") delete rest["body"];
    return rest;
  };
  return Array.isArray(value) ? value.map(picked) : picked(value);
}

function runHistory(steps: readonly Step[]): void {
  const dir = tempDir();
  const path = join(dir.path, "journal.sqlite");
  let store = openStore({ path });
  const model = new MemoryJournal();
  try {
    for (const [index, { operation, args }] of steps.entries()) {
      if (operation === "restart") {
        store.close();
        store = openStore({ path });
        continue;
      }
      const real = apply(operations(store), operation, args);
      const expected = apply(model, operation, args);
      expect(comparable(operation, real), `step ${index}: ${operation}`).toEqual(comparable(operation, expected));
    }
  } finally {
    store.close();
    dir.remove();
  }
}

describe("the journal and its model", () => {
  it("agree about every call of any history", () => {
    fc.assert(fc.property(fc.array(step, { minLength: 20, maxLength: 120, size: "max" }), runHistory), {
      numRuns: 120,
    });
  }, 120_000);
});
