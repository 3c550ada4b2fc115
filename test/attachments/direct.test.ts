import { truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { sendFile } from "../../src/attachments/direct.ts";
import { OUTGOING_LIMITS } from "../../src/attachments/outbound.ts";
import { folder } from "./support.ts";

it("does not even read a file that is larger than one may be", async () => {
  const dir = folder();
  const policy = {
    rules: () => ({ base: dir, allowed: [dir], closed: [], sealed: [] }),
    originalOf: (reference: string) => Promise.resolve(reference),
    typeOf: () => Promise.reject(new Error("was read")),
  };
  writeFileSync(join(dir, "large"), "");
  truncateSync(join(dir, "large"), OUTGOING_LIMITS.fileBytes + 1);
  const sent = sendFile({ reference: "large" }, policy, () => Promise.reject(new Error("was sent")));
  await expect(sent).rejects.toMatchObject({ code: "payload_too_large" });
});
