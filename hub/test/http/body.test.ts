import { PassThrough } from "node:stream";
import { describe, expect, it } from "vitest";
import type { HubContext } from "../../src/http/context.ts";
import { readText } from "../../src/http/body.ts";

/** The part of a request context that body reading looks at. */
function requestWith(source: PassThrough, headers: Record<string, string> = {}): HubContext {
  return { env: { incoming: Object.assign(source, { headers }) } } as unknown as HubContext;
}

describe("readText", () => {
  it("puts characters together that chunks cut apart", async () => {
    const source = new PassThrough();
    const bytes = Buffer.from("héllo 😀");
    for (const byte of bytes) source.write(Buffer.from([byte]));
    source.end();
    expect(await readText(requestWith(source), 100)).toBe("héllo 😀");
  });

  it("reads up to the limit exactly, and not one byte further", async () => {
    const fits = new PassThrough();
    fits.end("x".repeat(10));
    expect(await readText(requestWith(fits), 10)).toHaveLength(10);
    const over = new PassThrough();
    over.end("x".repeat(11));
    await expect(readText(requestWith(over), 10)).rejects.toMatchObject({ code: "PAYLOAD_TOO_LARGE", status: 413 });
    expect(over.isPaused()).toBe(true);
  });

  it("refuses an announced length without reading", async () => {
    const source = new PassThrough();
    const reading = readText(requestWith(source, { "content-length": "11" }), 10);
    await expect(reading).rejects.toMatchObject({ code: "PAYLOAD_TOO_LARGE" });
    expect(source.listenerCount("data")).toBe(0);
  });

  it("gives up on a body that does not come, with 408", async () => {
    const source = new PassThrough();
    source.write("{");
    await expect(readText(requestWith(source), 10, 5)).rejects.toMatchObject({ code: "INVALID", status: 408 });
  });

  it("says that a body broke off", async () => {
    const source = new PassThrough();
    source.write("{");
    const reading = readText(requestWith(source), 10);
    source.destroy();
    await expect(reading).rejects.toMatchObject({ code: "INVALID", status: 400 });
  });

  it("refuses what is not UTF-8", async () => {
    const source = new PassThrough();
    source.end(Buffer.from([0xc3, 0x28]));
    await expect(readText(requestWith(source), 10)).rejects.toMatchObject({ code: "INVALID", status: 400 });
  });
});
