import { describe, expect, it } from "vitest";
import { formatCredentials, parseCredentials, serviceUrlProblem } from "../../src/credentials/schema.ts";

const base_url = "https://api.example.org/";

describe("parseCredentials", () => {
  it("reads generation A with either name of the secret", () => {
    for (const name of ["clientSecret", "client_secret"]) {
      const parsed = parseCredentials(JSON.stringify({ base_url, script_id: "scr_1", [name]: "s3cret" }));
      expect(parsed).toEqual({
        ok: true,
        credentials: {
          generation: "a",
          baseUrl: "https://api.example.org",
          clientId: "scr_1",
          clientSecret: "s3cret",
          scriptId: "scr_1",
        },
      });
    }
  });

  it("reads generation B with and without a script id", () => {
    const text = (script_id: unknown) =>
      JSON.stringify({ base_url, client_id: "crd_1", client_secret: "aks_1", script_id });
    const expected = { generation: "b", baseUrl: "https://api.example.org", clientId: "crd_1", clientSecret: "aks_1" };
    expect(parseCredentials(text("scr_1"))).toEqual({ ok: true, credentials: { ...expected, scriptId: "scr_1" } });
    expect(parseCredentials(text(undefined))).toEqual({ ok: true, credentials: expected });
    expect(parseCredentials(text(null))).toEqual({ ok: true, credentials: expected });
  });

  it("names each field at fault and never a value", () => {
    const parsed = parseCredentials(JSON.stringify({ base_url: "ftp://hidden", script_id: 7, clientSecret: "a b" }));
    const reason = parsed.ok ? "" : parsed.reason;
    expect(reason).toContain("base_url must begin with https://");
    expect(reason).toContain("script_id is missing or not text");
    expect(reason).toContain("client_secret holds a space");
    expect(reason).not.toMatch(/hidden|a b/);
  });

  it.each(["", "{", "null", "[]", '"text"', '{"clientSecret":"half'])("calls %j no JSON object", (text) => {
    expect(parseCredentials(text)).toEqual({ ok: false, reason: "is not a JSON object" });
  });

  it("does not take an empty object for credentials", () => {
    expect(parseCredentials("{}").ok).toBe(false);
  });

  it("reads back what it writes, in both generations", () => {
    for (const credentials of [
      { generation: "a", baseUrl: "https://x.org", clientId: "scr_1", clientSecret: "s", scriptId: "scr_1" },
      { generation: "b", baseUrl: "http://127.0.0.1:8080", clientId: "crd_1", clientSecret: "s", scriptId: "scr_1" },
      { generation: "b", baseUrl: "https://x.org/base", clientId: "crd_1", clientSecret: "s" },
    ] as const) {
      expect(parseCredentials(formatCredentials(credentials))).toEqual({ ok: true, credentials });
    }
  });

  it("writes generation A under the names that the vendor's plugin reads", () => {
    const credentials = { generation: "a", baseUrl: "https://x.org", clientId: "scr_1", clientSecret: "s" } as const;
    expect(JSON.parse(formatCredentials(credentials))).toEqual({
      base_url: "https://x.org",
      script_id: "scr_1",
      clientSecret: "s",
    });
  });
});

describe("serviceUrlProblem", () => {
  it.each(["https://x.org", "http://localhost:1", "http://127.0.0.1", "http://127.8.9.1:2", "http://[::1]:3"])(
    "accepts %s",
    (url) => expect(serviceUrlProblem(url)).toBeUndefined(),
  );

  it.each([
    "http://x.org",
    "http://127.0.0.1.x.org",
    "http://192.168.1.2",
    "ftp://x.org",
    "x.org",
    "https://u:p@x.org",
    "https://x.org/?a=b",
  ])("refuses %s", (url) => expect(serviceUrlProblem(url)).toBeDefined());
});
