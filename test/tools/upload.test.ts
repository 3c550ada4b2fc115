/** `agentrux_upload` and `agentrux_deliver`: to a topic, and into a reply. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { sendFile } from "../../src/attachments/direct.ts";
import type { Attaching } from "../../src/attachments/outbound.ts";
import type { ToolFiles } from "../../src/tools/tool.ts";
import { uploadTools } from "../../src/tools/upload.ts";
import { Workshop } from "./support.ts";

const [uploadTool, deliverTool] = uploadTools;
if (uploadTool === undefined || deliverTool === undefined) throw new Error("there are two names");

describe.each(["a", "b"] as const)("generation %s", (generation) => {
  let shop: Workshop;
  let dir: string;
  let files: ToolFiles;
  const attached: (readonly [string, Attaching])[] = [];

  beforeAll(async () => {
    shop = await Workshop.open(generation);
    dir = mkdtempSync(join(tmpdir(), "agentrux-upload-"));
    writeFileSync(join(dir, "a.txt"), "content");
    const policy = {
      rules: () => ({ base: dir, allowed: [dir], closed: [], sealed: [] }),
      originalOf: (reference: string) => Promise.resolve(reference),
      typeOf: () => Promise.resolve("text/plain"),
    };
    files = {
      attach: (address, file) => {
        attached.push([address, file]);
        return Promise.resolve({ name: "a.txt", contentType: "text/plain", size: 7 });
      },
      send: (file, use) => sendFile(file, policy, use),
    };
  });
  afterAll(async () => {
    await shop.close();
    rmSync(dir, { recursive: true, force: true });
  });

  it("stores a file at the result topic, or at another, where an event makes it readable", async () => {
    for (const [args, topicId] of [
      [{ file_path: "a.txt" }, shop.topics.results],
      [{ filePath: join(dir, "a.txt"), topic: "desk" }, shop.topics.desk],
      [{ path: "a.txt", topic_id: shop.topics.desk }, shop.topics.desk],
    ] as const) {
      const { isError, details, text } = await shop.call(uploadTool, args, { files });
      expect(isError).toBe(false);
      expect(details).toMatchObject({
        ok: true,
        topic_id: topicId,
        name: "a.txt",
        size: 7,
        content_type: "text/plain",
      });
      expect(text).toContain(String(details["object_id"]));
      const objectId = String(details["object_id"]);
      const signal = AbortSignal.timeout(10_000);
      await shop.client.publish({ topicId, type: "note", payload: { attachments: [objectId] }, signal });
      const info = await shop.peer.objectInfo({ topicId, objectId, signal });
      expect(await (await fetch(info.downloadUrl)).text()).toBe("content");
    }
  });

  it("takes a text for a file", async () => {
    const { details } = await shop.call(deliverTool, { path: "../x.md", content: "# hi" }, { files });
    expect(details).toMatchObject({ name: "x.md", size: 4 });
  });

  it("refuses what may not leave, and tells what to do", async () => {
    const { isError, text, details } = await shop.call(uploadTool, { file_path: "/etc/passwd" }, { files });
    expect([isError, details["ok"]]).toEqual([true, false]);
    expect(text).toMatch(/path_refused[\s\S]*Copy the file into your workspace/);
  });

  it("in a turn from a topic only ever makes it part of the reply", async () => {
    const turn = { address: "cmd:x~1" };
    const fine = await shop.call(uploadTool, { file_path: "a.txt" }, { files, turn });
    expect([fine.isError, fine.details["attached"]]).toEqual([false, true]);
    expect(attached.at(-1)).toEqual(["cmd:x~1", { reference: "a.txt" }]);
    const count = attached.length;
    const elsewhere = await shop.call(uploadTool, { file_path: "a.txt", topic: "desk" }, { files, turn });
    expect(elsewhere.text).toContain("not_allowed");
    const nowhere = await shop.call(uploadTool, { file_path: "a.txt" }, { files, turn: {} });
    expect([nowhere.isError, attached.length]).toEqual([true, count]);
  });
});
