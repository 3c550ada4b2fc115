/** The numbers an operator scrapes, over a real hub and a real journal. */

import { mkdir } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { prometheusText } from "../../src/account/metrics.ts";
import { actOnDeadLetter } from "../../src/cli/journal.ts";
import { echo, Place, type Running, until } from "./support.ts";

let place: Place;

beforeEach(async () => {
  place = await Place.create();
  await mkdir(place.paths.dir, { recursive: true, mode: 0o700 });
});

afterEach(() => place.close());

async function scraped(running: Running): Promise<string> {
  return prometheusText(new Map([["default", (await running.account?.metrics()) ?? []]]));
}

describe("the numbers", () => {
  it("tell what was done, what was refused and why, and what is left", async () => {
    await place.drop(await place.code());
    const running = place.start(
      (request, signal) =>
        request.command.message === "bad" ? Promise.reject(new Error("no")) : echo(request, signal),
      { maxAttempts: 1 },
    );
    await running.ready();
    await place.publish({ request_id: "good", message: "hi" });
    await place.publish({ request_id: "bad", message: "bad" });
    await place.publish({ request_id: "far", message: "hi", trace: { id: "t", hops: 9 } });
    for (const id of ["good", "bad", "far"]) await place.reply(id);
    await until("all is published", () => running.account?.health()["unsentReplies"] === 0);
    const text = await scraped(running);
    for (const line of [
      'agentrux_commands_total{account="default"} 2',
      'agentrux_rejected_commands_total{account="default",reason="too_many_hops"} 1',
      'agentrux_replies_total{account="default",status="completed"} 1',
      'agentrux_replies_total{account="default",status="failed"} 1',
      'agentrux_published_total{account="default"} 3',
      'agentrux_dead_letters{account="default"} 1',
      'agentrux_backlog_commands{account="default"} 0',
      'agentrux_publish_fault{account="default"} 0',
    ]) {
      expect(text.split("\n")).toContain(line);
    }
    expect(text).toMatch(/agentrux_journal_bytes\{account="default"\} [1-9]\d+/);
    for (const work of ["pull", "turn", "publish"]) {
      expect(text).toMatch(
        new RegExp(`agentrux_last_success_timestamp_seconds\\{account="default",work="${work}"\\} 1\\d{9}`),
      );
    }
    await actOnDeadLetter(place.paths, "drop", 1);
    expect(await scraped(running)).toContain('agentrux_dead_letters{account="default"} 0');
  });
});

describe("the text", () => {
  it("has each family once, whatever the accounts, and quotes what a label may hold", () => {
    const metrics = [
      { name: "x_total", kind: "counter", help: "X", samples: [{ labels: { why: 'a"b\\c\nd' }, value: 1 }] },
    ] as const;
    expect(
      prometheusText(
        new Map([
          ["one", metrics],
          ["two", metrics],
        ]),
      ),
    ).toBe(
      [
        "# HELP x_total X",
        "# TYPE x_total counter",
        'x_total{account="one",why="a\\"b\\\\c\\nd"} 1',
        'x_total{account="two",why="a\\"b\\\\c\\nd"} 1',
        "",
      ].join("\n"),
    );
  });
});
