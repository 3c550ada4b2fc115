/** One event that nothing can be made of costs itself, and not its topic. */

import { expect, it } from "vitest";
import { AgentruxError } from "../../src/errors.ts";
import { preparePage } from "../../src/intake/admission.ts";
import { composeReply } from "../../src/replies/compose.ts";
import type { TopicEvent } from "../../src/service/types.ts";
import { eventOf } from "./support.ts";

const prepare = (...events: readonly TopicEvent[]) => preparePage(events, {}, composeReply, 0, () => Promise.resolve());

/** An event on which our own reading fails. */
function breaking(sequence: number, error: Error): TopicEvent {
  return Object.defineProperty(eventOf(sequence), "payload", {
    get() {
      throw error;
    },
  });
}

it("passes over an event on which the reading fails, and takes the others of its page", async () => {
  const error = new RangeError("Maximum call stack size exceeded");
  const page = await prepare(eventOf(1), breaking(2, error), eventOf(3));
  expect(page.malformed).toEqual([{ eventId: eventOf(2).eventId, error }]);
  expect(page.rows).toHaveLength(2);
  expect(page.taken.map((one) => one.kind === "command" && one.command.message)).toEqual(["m1", "m3"]);
  expect(page.dropped).toEqual([]);
});

it("does not pass over what an error of ours stands for", async () => {
  const full = new AgentruxError("disk", "no room", { retryable: true });
  await expect(prepare(eventOf(1), breaking(2, full))).rejects.toBe(full);
});
