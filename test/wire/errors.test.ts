import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  ERROR_TEXT_MAX_LENGTH,
  isCursorExpired,
  oldestAvailableEventId,
  parseErrorBody,
  type ParsedErrorBody,
} from "agentrux-wire";

const json = (status: number, body: unknown): ParsedErrorBody =>
  parseErrorBody(status, "application/json", JSON.stringify(body));

describe("parseErrorBody", () => {
  it("reads shape 1, nested code and message", () => {
    expect(json(422, { error: { code: "INVALID", message: "Token has expired" } })).toMatchObject({
      code: "INVALID",
      message: "Token has expired",
      html: false,
    });
  });

  it("reads shape 2, FastAPI text", () => {
    const parsed = json(404, { detail: "Not Found" });
    expect(parsed.message).toBe("Not Found");
    expect(parsed.code).toBeUndefined();
  });

  it("reads shape 3, FastAPI object, with code or error", () => {
    expect(json(403, { detail: { code: "FORBIDDEN", message: "no" } })).toMatchObject({
      code: "FORBIDDEN",
      message: "no",
    });
    expect(json(401, { detail: { error: "invalid_client", error_description: "gone" } })).toMatchObject({
      code: "invalid_client",
      message: "gone",
    });
  });

  it("reads shape 4, flat OAuth", () => {
    expect(json(400, { error: "slow_down", error_description: "wait" })).toMatchObject({
      code: "slow_down",
      message: "wait",
    });
    expect(json(400, { error: "slow_down" }).message).toBe("slow_down");
  });

  it("reads shape 5, text and pages, whatever the content type says", () => {
    expect(parseErrorBody(502, "text/plain", "upstream gone\n")).toEqual({ message: "upstream gone", html: false });
    const page = "<html><head><title>403 Forbidden</title></head><body>…</body></html>";
    expect(parseErrorBody(403, "application/json", page)).toEqual({ message: "403 Forbidden", html: true });
    expect(parseErrorBody(403, "text/html; charset=utf-8", "  ")).toEqual({ message: "HTTP 403", html: true });
  });

  it("names the status when the body says nothing", () => {
    for (const body of ["", "{}", '{"error":null}', '{"detail":[]}', '{"error":{"code":"","message":""}}']) {
      expect(parseErrorBody(500, null, body).message).toBe("HTTP 500");
    }
  });

  it("reads a JSON body under a wrong content type", () => {
    expect(parseErrorBody(404, "text/html", '{"error":{"code":"NOT_FOUND","message":"x"}}').code).toBe("NOT_FOUND");
  });

  it("keeps control characters out of messages, so that no log line can be forged", () => {
    expect(parseErrorBody(500, null, "a\nINFO forged\u0000\u2028b").message).toBe("a INFO forged b");
  });

  it("never throws and never gives back more than its bound", () => {
    const anyBody = fc.oneof(
      fc.string({ maxLength: 2000 }),
      fc.json(),
      fc.object().map((value) => JSON.stringify(value)),
    );
    fc.assert(
      fc.property(fc.integer(), fc.option(fc.string()), anyBody, (status, contentType, body) => {
        const parsed = parseErrorBody(status, contentType, body);
        expect(parsed.message).not.toBe("");
        for (const text of [parsed.message, parsed.code, parsed.reason, parsed.nextAction]) {
          expect((text ?? "").length).toBeLessThanOrEqual(ERROR_TEXT_MAX_LENGTH);
        }
      }),
    );
    const long = parseErrorBody(
      500,
      null,
      JSON.stringify({ error: { code: "x".repeat(5000), message: "y".repeat(1e6) } }),
    );
    expect(long.message.length).toBeLessThanOrEqual(ERROR_TEXT_MAX_LENGTH);
  });
});

describe("expired cursors", () => {
  const detail = {
    error: "NOT_FOUND",
    message: "cursor is gone",
    details: { reason: "ttl_expired", oldest_available_evt_id: "evt_1" },
    next_action: "cursor_advance",
  };

  it("are recognised with and without the detail wrapper", () => {
    for (const body of [{ detail }, detail, { error: "RETENTION_MISS" }, { detail: { error: "RETENTION_MISS" } }]) {
      expect(isCursorExpired(404, json(404, body))).toBe(true);
    }
    expect(oldestAvailableEventId(json(404, { detail }))).toBe("evt_1");
    expect(
      oldestAvailableEventId(json(404, { detail: { ...detail, details: { reason: "ttl_expired" } } })),
    ).toBeUndefined();
  });

  it("take next_action alone only when no reason is given", () => {
    expect(isCursorExpired(404, json(404, { detail: { error: "NOT_FOUND", next_action: "cursor_advance" } }))).toBe(
      true,
    );
    const other = { detail: { ...detail, details: { reason: "topic_deleted" } } };
    expect(isCursorExpired(404, json(404, other))).toBe(false);
  });

  it("are never read from another status or an ordinary 404", () => {
    expect(isCursorExpired(400, json(400, { detail }))).toBe(false);
    expect(isCursorExpired(404, json(404, { error: { code: "NOT_FOUND", message: "no topic" } }))).toBe(false);
  });
});
