import { parseErrorBody } from "agentrux-wire";
import { describe, expect, it } from "vitest";
import { HubError } from "../../src/errors.ts";
import { errorBody, errorShapeOf } from "../../src/http/errors.ts";

const UUID = "11111111-1111-4111-8111-111111111111";

describe("errorShapeOf", () => {
  it.each([
    ["/oauth/token", undefined, "oauth"],
    ["/auth/activate", undefined, "a"],
    ["/auth/redeem-activation-code", undefined, "a"],
    ["/console/topics", "aat_x", "a"],
    [`/topics/${UUID}`, "aat_x", "a"],
    [`/topics/${UUID}/events`, "aat_x", "a"],
    [`/topics/top_${UUID}/events/stream`, "x", "b"],
    [`/topics/top_${UUID}`, undefined, "b"],
    ["/topics/nonsense/events", "aat_x", "a"],
    ["/topics", "aat_x", "b"],
    ["/topics", "x", "a"],
    ["/", undefined, "a"],
  ])("%s with token %s is %s", (path, token, shape) => {
    expect(errorShapeOf(path, token)).toBe(shape);
  });
});

describe("errorBody", () => {
  const error = new HubError("NOT_FOUND", "No such thing", { details: { reason: "r" }, nextAction: "n" });

  it("is read back by the wire's own parser in shapes a and b", () => {
    for (const shape of ["a", "b"] as const) {
      const parsed = parseErrorBody(404, "application/json", JSON.stringify(errorBody(error, shape)));
      expect(parsed).toMatchObject({ code: "NOT_FOUND", message: "No such thing", reason: "r", nextAction: "n" });
    }
  });

  it("leaves out what there is nothing to say of", () => {
    const plain = new HubError("FORBIDDEN", "No");
    expect(errorBody(plain, "a")).toEqual({ error: { code: "FORBIDDEN", message: "No" } });
    expect(errorBody(plain, "b")).toEqual({ detail: { error: "FORBIDDEN", message: "No" } });
  });

  it("uses OAuth's own words", () => {
    const codes = (["UNAUTHORIZED", "SUSPENDED", "RATE_LIMITED", "INTERNAL", "INVALID", "INVALID_GRANT"] as const).map(
      (code) => errorBody(new HubError(code, "m"), "oauth"),
    );
    expect(codes).toEqual(
      [
        "invalid_client",
        "access_denied",
        "temporarily_unavailable",
        "server_error",
        "invalid_request",
        "invalid_grant",
      ].map((error) => ({ error, error_description: "m" })),
    );
  });
});
