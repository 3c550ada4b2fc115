import { getEventListeners } from "node:events";
import { afterEach, describe, expect, test } from "vitest";
import { AgentruxError, isAgentruxError } from "../../src/errors.ts";
import { createHttpClient } from "../../src/service/http.ts";
import { tokenEndpoints } from "../../src/service/token-endpoints.ts";
import { createTokenClient, SECRET_CALLS_PER_HOUR, type TokenClient } from "../../src/service/tokens.ts";
import type { ServiceCredentials } from "../../src/service/types.ts";
import { failure, json, jwt, NEVER, startPeer, until, type Answerer, type Peer } from "./peer.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** Two clocks a test moves by hand, the wall clock also on its own. */
class TestClock {
  wall = Date.parse("2026-06-01T00:00:00Z");
  mono = 1_000;
  now = (): number => this.wall;
  monotonic = (): number => this.mono;
  pass(ms: number): void {
    this.wall += ms;
    this.mono += ms;
  }
}

interface Rig {
  readonly peer: Peer;
  readonly clock: TestClock;
  readonly tokens: TokenClient;
  readonly calls: (path: string) => number;
}

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function rig(
  answer: Answerer,
  options: { generation?: "a" | "b"; clock?: TestClock; random?: () => number } = {},
): Promise<Rig> {
  const peer = await startPeer(answer);
  const clock = options.clock ?? new TestClock();
  const generation = options.generation ?? "a";
  const tokens = connect(peer, clock, generation, {}, options.random);
  return { peer, clock, tokens, calls: (path) => peer.received.filter((request) => request.path === path).length };
}

function connect(
  peer: Peer,
  clock: TestClock,
  generation: "a" | "b",
  credentials: Partial<ServiceCredentials> = {},
  random = () => 0.5,
): TokenClient {
  const http = createHttpClient({ baseUrl: peer.url, timeouts: { headersMs: 2_000, totalMs: 4_000 } });
  const tokens = createTokenClient({
    endpoints: tokenEndpoints(http, {
      generation,
      baseUrl: peer.url,
      clientId: generation === "a" ? "scr_1" : "crd_1",
      clientSecret: "the-secret",
      ...credentials,
    }),
    clock,
    random,
    ...(generation === "a" ? { secretCallsPerHour: SECRET_CALLS_PER_HOUR } : {}),
  });
  cleanups.push(
    () => peer.close(),
    async () => {
      tokens.close();
      await http.close();
    },
  );
  return tokens;
}

/** Generation A's token endpoints, working: `T0`, `T1`... with refresh tokens `R0`, `R1`... */
function issuing(overrides: { lifetimeMs?: number; refresh?: Answerer } = {}): Answerer {
  let issued = 0;
  const issue: Answerer = (_request, response) => {
    const number = issued++;
    json(response, 200, {
      access_token: `T${number}`,
      refresh_token: `R${number}`,
      expires_at: new Date(Date.now() + (overrides.lifetimeMs ?? HOUR_MS)).toISOString(),
    });
  };
  return (request, response, index) =>
    request.path === "/auth/refresh" && overrides.refresh !== undefined
      ? overrides.refresh(request, response, index)
      : issue(request, response, index);
}

describe("single flight", () => {
  test("three concurrent callers, one /auth/token", async () => {
    const { tokens, calls, peer } = await rig(issuing());
    const all = await Promise.all([tokens.get(NEVER), tokens.get(NEVER), tokens.get(NEVER)]);
    expect(all).toEqual(["T0", "T0", "T0"]);
    expect(calls("/auth/token")).toBe(1);
    expect(JSON.parse(peer.received[0]?.body ?? "")).toEqual({ script_id: "scr_1", client_secret: "the-secret" });
  });

  test("after expiry a burst makes one /auth/refresh", async () => {
    const { tokens, clock, calls, peer } = await rig(issuing());
    await tokens.get(NEVER);
    clock.pass(HOUR_MS);
    const all = await Promise.all(Array.from({ length: 20 }, () => tokens.get(NEVER)));
    expect(new Set(all)).toEqual(new Set(["T1"]));
    expect(calls("/auth/refresh")).toBe(1);
    expect(calls("/auth/token")).toBe(1);
    expect(JSON.parse(peer.received[1]?.body ?? "")).toEqual({ refresh_token: "R0" });
  });

  test("a failing flight fails every caller, and is asked once", async () => {
    const { tokens, calls } = await rig((_request, response) => json(response, 503, {}));
    const errors = await Promise.all([failure(tokens.get(NEVER)), failure(tokens.get(NEVER))]);
    expect(errors).toEqual([
      expect.objectContaining({ code: "server_error" }),
      expect.objectContaining({ code: "server_error" }),
    ]);
    expect(calls("/auth/token")).toBe(1);
  });

  test("waiting leaves no listener behind (W38)", async () => {
    const { tokens } = await rig(issuing());
    const { signal } = new AbortController();
    await Promise.all([tokens.get(signal), tokens.get(signal)]);
    expect(getEventListeners(signal, "abort")).toHaveLength(0);
  });

  test("one caller's abort leaves the flight to the others, and no listener behind", async () => {
    let release = (): void => {};
    const gate = new Promise<void>((resolve) => (release = resolve));
    const issue = issuing();
    const { tokens, peer } = await rig(async (request, response, index) => {
      await gate;
      await issue(request, response, index);
    });
    const controller = new AbortController();
    const aborted = failure(tokens.get(controller.signal));
    const patient = tokens.get(NEVER);
    await until(() => peer.received.length === 1);
    controller.abort();
    expect(await aborted).toMatchObject({ code: "aborted" });
    expect(getEventListeners(controller.signal, "abort")).toHaveLength(0);
    release();
    expect(await patient).toBe("T0");
    expect(await failure(tokens.get(controller.signal))).toBeUndefined();
  });
});

describe("renewal", () => {
  test("a cached token costs no call", async () => {
    const { tokens, clock, peer } = await rig(issuing());
    for (let minute = 0; minute < 58; minute += 1) {
      expect(await tokens.get(NEVER)).toBe("T0");
      clock.pass(60_000);
    }
    expect(peer.received).toHaveLength(1);
  });

  test("a minute ahead one renewal starts, while the valid token is served on", async () => {
    const { tokens, clock, peer, calls } = await rig(issuing());
    await tokens.get(NEVER);
    clock.pass(HOUR_MS - 59_000);
    expect(await tokens.get(NEVER)).toBe("T0");
    expect(await tokens.get(NEVER)).toBe("T0");
    await until(() => peer.received.length === 2);
    expect(calls("/auth/refresh")).toBe(1);
    await tokens.forget(NEVER);
    expect(calls("/auth/refresh")).toBe(1);
  });

  test("jitter moves the renewal between 60 and 90 s ahead", async () => {
    for (const [random, aheadMs] of [
      [0, 60_000],
      [1, 90_000],
    ] as const) {
      const { tokens, clock, peer } = await rig(issuing(), { random: () => random });
      await tokens.get(NEVER);
      // The Date header has whole seconds, so the lifetime is known to about one.
      clock.pass(HOUR_MS - aheadMs - 2_000);
      await tokens.get(NEVER);
      expect(peer.received).toHaveLength(1);
      clock.pass(4_000);
      await tokens.get(NEVER);
      await until(() => peer.received.length === 2);
    }
  });

  test("a background renewal that fails hurts nobody and is not repeated at every call", async () => {
    const { tokens, clock, calls, peer } = await rig(
      issuing({ refresh: (_request, response) => json(response, 503, {}) }),
    );
    await tokens.get(NEVER);
    clock.pass(HOUR_MS - 50_000);
    for (let i = 0; i < 20; i += 1) {
      expect(await tokens.get(NEVER)).toBe("T0");
      await until(() => peer.received.length >= 2);
      // Lets the failed flight end before the next call.
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    expect(calls("/auth/refresh")).toBe(1);
  });

  test("a token that lives for seconds is renewed in its last fifth", async () => {
    const { tokens, clock, peer } = await rig(
      (_request, response, index) =>
        json(response, 200, { access_token: `B${index}`, token_type: "Bearer", expires_in: 10 }),
      { generation: "b" },
    );
    await tokens.get(NEVER);
    clock.pass(5_000);
    expect(await tokens.get(NEVER)).toBe("B0");
    expect(peer.received).toHaveLength(1);
    clock.pass(4_000);
    expect(await tokens.get(NEVER)).toBe("B0");
    await until(() => peer.received.length === 2);
  });
});

describe("refresh tokens", () => {
  test("a dead one falls through to the secret in the same flight and is never tried again", async () => {
    const { tokens, clock, peer } = await rig((request, response, index) => {
      if (request.path === "/auth/refresh")
        return json(response, 401, { error: { code: "UNAUTHORIZED", message: "revoked" } });
      return json(response, 200, index === 0 ? tokenA("T0", "R0") : { access_token: "T1", expires_at: inAnHour() });
    });
    await tokens.get(NEVER);
    clock.pass(HOUR_MS);
    expect(await tokens.get(NEVER)).toBe("T1");
    clock.pass(HOUR_MS);
    await tokens.get(NEVER);
    expect(peer.received.map((request) => request.path)).toEqual([
      "/auth/token",
      "/auth/refresh",
      "/auth/token",
      "/auth/token",
    ]);
  });

  test("a dead one is not tried again either when the secret fails for the moment", async () => {
    const { tokens, clock, calls } = await rig((request, response) => {
      if (request.path === "/auth/refresh") return json(response, 401, {});
      return calls("/auth/token") === 2 ? json(response, 503, {}) : json(response, 200, tokenA("T", "R"));
    });
    await tokens.get(NEVER);
    clock.pass(HOUR_MS);
    expect(await failure(tokens.get(NEVER))).toMatchObject({ code: "server_error" });
    clock.pass(60_000);
    expect(await tokens.get(NEVER)).toBe("T");
    expect(calls("/auth/refresh")).toBe(1);
  });

  test("an ambiguous failure keeps it (W22)", async () => {
    let broken = true;
    const issue = issuing();
    const { tokens, clock, calls, peer } = await rig((request, response, index) =>
      request.path === "/auth/refresh" && broken ? json(response, 503, {}) : issue(request, response, index),
    );
    await tokens.get(NEVER);
    clock.pass(HOUR_MS);
    expect(await failure(tokens.get(NEVER))).toMatchObject({ code: "server_error", retryable: true });
    broken = false;
    clock.pass(60_000);
    expect(await tokens.get(NEVER)).toBe("T1");
    expect(calls("/auth/token")).toBe(1);
    expect(JSON.parse(peer.received.at(-1)?.body ?? "")).toEqual({ refresh_token: "R0" });
  });

  test("the third doubt in a row tries the secret", async () => {
    const { tokens, clock, calls } = await rig(issuing({ refresh: (_request, response) => void response.destroy() }));
    await tokens.get(NEVER);
    clock.pass(HOUR_MS);
    expect(await failure(tokens.get(NEVER))).toMatchObject({ code: "network" });
    clock.pass(60_000);
    expect(await failure(tokens.get(NEVER))).toMatchObject({ code: "network" });
    clock.pass(60_000);
    expect(await tokens.get(NEVER)).toBe("T1");
    expect(calls("/auth/refresh")).toBe(3);
    expect(calls("/auth/token")).toBe(2);
  });

  test("a rate-limited refresh is left alone for as long as it asks, and the secret used", async () => {
    const limited: Answerer = (_request, response) => json(response, 429, {}, { "retry-after": "3000" });
    const { tokens, clock, calls } = await rig(issuing({ refresh: limited, lifetimeMs: 600_000 }));
    await tokens.get(NEVER);
    for (let i = 0; i < 4; i += 1) {
      clock.pass(600_000);
      await tokens.get(NEVER);
    }
    expect(calls("/auth/refresh")).toBe(1);
    expect(calls("/auth/token")).toBe(5);
  });
});

describe("compare and clear (W20)", () => {
  test("acts only when the token is still the one that failed", async () => {
    const { tokens } = await rig(issuing());
    await tokens.get(NEVER);
    expect(tokens.invalidate("another")).toBe(false);
    expect(await tokens.get(NEVER)).toBe("T0");
    expect(tokens.invalidate("T0")).toBe(true);
    expect(tokens.invalidate("T0")).toBe(false);
    expect(await tokens.get(NEVER)).toBe("T1");
  });

  test("keeps the refresh token, so the secret's budget is not touched", async () => {
    const { tokens, calls } = await rig(issuing());
    tokens.invalidate(await tokens.get(NEVER));
    expect(await tokens.get(NEVER)).toBe("T1");
    expect(calls("/auth/token")).toBe(1);
    expect(calls("/auth/refresh")).toBe(1);
  });

  test("a stampede of rejections makes one renewal and keeps the fresh token", async () => {
    const { tokens, calls } = await rig(issuing());
    const old = await tokens.get(NEVER);
    const renewed = await Promise.all(
      Array.from({ length: 50 }, async () => {
        tokens.invalidate(old);
        return await tokens.get(NEVER);
      }),
    );
    tokens.invalidate(old);
    expect(new Set([...renewed, await tokens.get(NEVER)])).toEqual(new Set(["T1"]));
    expect(calls("/auth/refresh")).toBe(1);
  });

  test("a service that rejects what it has just issued is not asked for more and more", async () => {
    const { tokens, clock, peer } = await rig(issuing());
    let rejected = 0;
    const errors: unknown[] = [];
    for (let second = 0; second < 600; second += 1) {
      try {
        tokens.invalidate(await tokens.get(NEVER));
        rejected += 1;
      } catch (error) {
        errors.push(error);
      }
      clock.pass(1_000);
    }
    expect(errors.filter((error) => !isAgentruxError(error, "unauthorized"))).toEqual([]);
    expect(rejected).toBe(peer.received.length);
    expect(peer.received.length).toBeLessThan(15);
  });
});

test("the wait after a failure grows, and starts small again after a success", async () => {
  let broken = true;
  const { tokens, clock } = await rig(
    (_request, response) =>
      broken ? json(response, 503, {}) : json(response, 200, { access_token: "T", expires_in: 600 }),
    { generation: "b" },
  );
  const waits: (number | undefined)[] = [];
  const failTwice = async (): Promise<void> => {
    await failure(tokens.get(NEVER));
    waits.push(((await failure(tokens.get(NEVER))) as AgentruxError).retryAfterMs);
    clock.pass(60_000);
  };
  for (let i = 0; i < 3; i += 1) await failTwice();
  broken = false;
  await tokens.get(NEVER);
  broken = true;
  clock.pass(600_000);
  await failTwice();
  expect(waits).toEqual([500, 1_000, 2_000, 500]);
});

describe("the clock (W21)", () => {
  test.each([-DAY_MS, 2 * HOUR_MS, DAY_MS])(
    "a wall clock wrong by %i ms neither storms nor trusts the dead",
    async (offMs) => {
      const { tokens, clock, peer } = await rig(issuing());
      clock.wall += offMs;
      await tokens.get(NEVER);
      for (let i = 0; i < 100; i += 1) {
        clock.wall += i % 2 === 0 ? DAY_MS : -DAY_MS;
        await tokens.get(NEVER);
      }
      expect(peer.received).toHaveLength(1);
      clock.mono += HOUR_MS;
      expect(await tokens.get(NEVER)).toBe("T1");
    },
  );
});

describe("the budget of /auth/token", () => {
  test("no more than ten calls an hour leave, whatever is asked", async () => {
    const { tokens, clock, calls } = await rig((_request, response, index) =>
      json(response, 200, { access_token: `T${index}`, expires_at: new Date(Date.now() + 300_000).toISOString() }),
    );
    let denied: unknown;
    for (let minute = 0; minute < 60; minute += 5) {
      denied ??= await failure(tokens.get(NEVER));
      clock.pass(20_000);
      for (let i = 0; i < 5; i += 1) {
        const token = await tokens.get(NEVER).catch(() => "");
        tokens.invalidate(token);
        denied ??= await failure(tokens.get(NEVER));
      }
    }
    expect(calls("/auth/token")).toBeLessThanOrEqual(SECRET_CALLS_PER_HOUR);
    expect(calls("/auth/token")).toBeGreaterThan(3);
  });

  test("spent, it says so and until when", async () => {
    const { tokens, clock, calls } = await rig((_request, response) =>
      json(response, 200, { access_token: "T", expires_at: inAnHour() }),
    );
    for (let i = 0; i < SECRET_CALLS_PER_HOUR; i += 1) {
      await tokens.get(NEVER);
      await tokens.forget(NEVER);
    }
    clock.pass(60_000);
    const error = await failure(tokens.get(NEVER));
    expect(error).toMatchObject({
      code: "rate_limited",
      retryable: true,
      kind: "local",
      retryAfterMs: HOUR_MS - 60_000,
    });
    expect(calls("/auth/token")).toBe(SECRET_CALLS_PER_HOUR);
    clock.pass(HOUR_MS - 60_000);
    expect(await tokens.get(NEVER)).toBe("T");
  });

  test("Retry-After of a 429 is kept to, and told to every caller", async () => {
    const { tokens, clock, calls } = await rig((_request, response, index) =>
      index === 0 ? json(response, 429, {}, { "retry-after": "100" }) : json(response, 200, tokenA("T", "R")),
    );
    expect(await failure(tokens.get(NEVER))).toMatchObject({ code: "rate_limited", retryAfterMs: 100_000 });
    clock.pass(40_000);
    expect(await failure(tokens.get(NEVER))).toMatchObject({
      code: "rate_limited",
      retryAfterMs: 60_000,
      retryable: true,
    });
    expect(calls("/auth/token")).toBe(1);
    clock.pass(60_000);
    expect(await tokens.get(NEVER)).toBe("T");
  });

  test("a secret that has to rest does not keep a refresh token waiting", async () => {
    let down = false;
    const issue = issuing();
    const { tokens, clock, calls } = await rig((request, response, index) => {
      if (!down) return issue(request, response, index);
      if (request.path === "/auth/refresh") return json(response, 502, {});
      return json(response, 429, {}, { "retry-after": "3600" });
    });
    await tokens.get(NEVER);
    clock.pass(HOUR_MS);
    down = true;
    for (let minute = 0; minute < 3; minute += 1) {
      await failure(tokens.get(NEVER));
      clock.pass(60_000);
    }
    expect([calls("/auth/refresh"), calls("/auth/token")]).toEqual([3, 2]);
    down = false;
    clock.pass(240_000);
    expect(await tokens.get(NEVER)).toBe("T1");
    expect(calls("/auth/token")).toBe(2);
  });

  test("a refused secret is not hammered", async () => {
    const { tokens, clock, calls } = await rig((_request, response) =>
      json(response, 401, { error: { code: "UNAUTHORIZED", message: "no" } }),
    );
    for (let second = 0; second < 3_600; second += 1) {
      expect(await failure(tokens.get(NEVER))).toMatchObject({
        code: "unauthorized",
        details: { reason: "client_refused" },
      });
      clock.pass(1_000);
    }
    expect(calls("/auth/token")).toBeGreaterThan(2);
    expect(calls("/auth/token")).toBeLessThanOrEqual(SECRET_CALLS_PER_HOUR);
  });
});

describe("refusals of the secret", () => {
  test.each([
    [401, { error: { code: "UNAUTHORIZED", message: "client_secret expired" } }, "client_secret_expired"],
    [401, { error: { code: "UNAUTHORIZED", message: "unknown" } }, "client_refused"],
    [401, { detail: "client secret has expired" }, "client_secret_expired"],
  ])("generation A: %i %j", async (status, body, reason) => {
    const { tokens } = await rig((_request, response) => json(response, status, body));
    const error = await failure(tokens.get(NEVER));
    expect(error).toMatchObject({ code: "unauthorized", kind: "refused", retryable: false, details: { reason } });
    expect((error as AgentruxError).message).toContain("activation code");
  });

  test.each([
    [401, { error: "invalid_client" }],
    [400, { error: "invalid_client", error_description: "no" }],
    [401, { detail: { error: "invalid_client" } }],
  ])("generation B: %i %j", async (status, body) => {
    const { tokens } = await rig((_request, response) => json(response, status, body), { generation: "b" });
    expect(await failure(tokens.get(NEVER))).toMatchObject({
      code: "unauthorized",
      serviceCode: "invalid_client",
      details: { reason: "client_refused" },
    });
  });

  test("a secret of a few letters leaves the words of an error whole", async () => {
    const peer = await startPeer((_request, response) =>
      json(response, 403, { error: { code: "FORBIDDEN", message: "not such a one" } }),
    );
    const tokens = connect(peer, new TestClock(), "a", { clientSecret: "s" });
    expect(String(await failure(tokens.get(NEVER)))).toContain("not such a one");
  });

  test("nothing of the secret shows", async () => {
    const { tokens } = await rig((request, response) =>
      json(response, 401, { error: { code: "X", message: request.body } }),
    );
    const error = await failure(tokens.get(NEVER));
    expect(`${String(error)} ${String((error as AgentruxError).cause)}`).not.toContain("the-secret");
  });

  test("an answer that is no token is malformed, and its text stays out of the error and its cause", async () => {
    for (const body of ['{"access_token":12345678901}', "aat_secretsecretsecret", "[]", '{"access_token":"a b\\n"}']) {
      const { tokens } = await rig((_request, response) => void response.end(body));
      const error = await failure(tokens.get(NEVER));
      expect(error).toMatchObject({ code: "malformed_response", kind: "unknown", retryable: true });
      expect(`${String(error)} ${String((error as AgentruxError).cause)}`).not.toMatch(/secretsecret|12345678901/);
    }
  });
});

describe("generation B and the hybrid", () => {
  const formAnswer: Answerer = (_request, response, index) =>
    json(response, 200, { access_token: `aat_B${index}`, token_type: "Bearer", expires_in: 600, scope: "" });

  test("the form is sent once for many, reused, and sent again inside the last minute", async () => {
    const { tokens, clock, peer } = await rig(formAnswer, { generation: "b" });
    await Promise.all([tokens.get(NEVER), tokens.get(NEVER)]);
    clock.pass(400_000);
    expect(await tokens.get(NEVER)).toBe("aat_B0");
    expect(peer.received).toHaveLength(1);
    expect(peer.received[0]?.headers["content-type"]).toBe("application/x-www-form-urlencoded");
    expect(Object.fromEntries(new URLSearchParams(peer.received[0]?.body))).toEqual({
      grant_type: "client_credentials",
      client_id: "crd_1",
      client_secret: "the-secret",
    });
    clock.pass(160_000);
    await until(async () => (await tokens.get(NEVER)) === "aat_B1");
    clock.pass(3_000);
    expect(tokens.invalidate("aat_B0")).toBe(false);
    expect(await tokens.get(NEVER)).toBe("aat_B1");
    expect(peer.received).toHaveLength(2);
    expect(tokens.invalidate("aat_B1")).toBe(true);
    expect(await tokens.get(NEVER)).toBe("aat_B2");
  });

  test("where /auth/token is gone, /oauth/token is asked as script_<id>, and remembered", async () => {
    const { tokens, clock, peer } = await rig((request, response, index) =>
      request.path === "/oauth/token"
        ? formAnswer(request, response, index)
        : json(response, 404, { detail: "Not Found" }),
    );
    await tokens.get(NEVER);
    clock.pass(600_000);
    await tokens.get(NEVER);
    expect(peer.received.map((request) => request.path)).toEqual(["/auth/token", "/oauth/token", "/oauth/token"]);
    expect(new URLSearchParams(peer.received[2]?.body).get("client_id")).toBe("script_scr_1");
  });

  test.each([
    [401, { error: { code: "UNAUTHORIZED", message: "no such route" } }],
    [403, "<html>no</html>"],
    [429, {}],
    [405, {}],
    [503, {}],
    [302, {}],
  ])("one 404 on /auth/token and %i on /oauth/token do not keep us from /auth/token", async (status, body) => {
    let glitch = true;
    const issue = issuing();
    const { tokens, clock, calls } = await rig((request, response, index) => {
      if (request.path === "/oauth/token") return json(response, status, body);
      return glitch ? json(response, 404, {}) : issue(request, response, index);
    });
    expect(await failure(tokens.get(NEVER))).toMatchObject({ status });
    glitch = false;
    clock.pass(HOUR_MS);
    expect(await tokens.get(NEVER)).toBe("T0");
    expect(calls("/oauth/token")).toBe(1);
  });

  test("a hybrid service that goes back to /auth/token is followed there", async () => {
    let hybrid = true;
    const issue = issuing();
    const { tokens, clock } = await rig((request, response, index) => {
      if ((request.path === "/oauth/token") !== hybrid) return json(response, 404, {});
      return hybrid ? formAnswer(request, response, index) : issue(request, response, index);
    });
    await tokens.get(NEVER);
    hybrid = false;
    clock.pass(HOUR_MS);
    await failure(tokens.get(NEVER));
    clock.pass(HOUR_MS);
    expect(await tokens.get(NEVER)).toBe("T0");
  });

  test("where neither exists, both are asked again later", async () => {
    const { tokens, clock, calls } = await rig((_request, response) => json(response, 404, { detail: "Not Found" }));
    expect(await failure(tokens.get(NEVER))).toMatchObject({ code: "not_found", status: 404 });
    clock.pass(HOUR_MS);
    await failure(tokens.get(NEVER));
    expect(calls("/auth/token")).toBe(2);
    expect(calls("/oauth/token")).toBe(2);
  });
});

describe("rotation", () => {
  test("replaces the secret and the tokens at once", async () => {
    const { tokens, clock, peer } = await rig((request, response, index) =>
      request.path === "/auth/rotate-key"
        ? json(response, 200, { client_secret: "new-secret", ...tokenA("TR", "RR") })
        : json(response, request.path === "/auth/refresh" ? 401 : 200, tokenA(`T${index}`, `R${index}`)),
    );
    await tokens.get(NEVER);
    expect(await tokens.rotate(NEVER)).toBe("new-secret");
    expect(await tokens.get(NEVER)).toBe("TR");
    clock.pass(2 * HOUR_MS);
    await tokens.get(NEVER);
    expect(JSON.parse(peer.received.at(-2)?.body ?? "")).toEqual({ refresh_token: "RR" });
    expect(JSON.parse(peer.received.at(-1)?.body ?? "")).toMatchObject({ client_secret: "new-secret" });
  });

  test("callers meanwhile wait for its token", async () => {
    let release = (): void => {};
    const gate = new Promise<void>((resolve) => (release = resolve));
    const { tokens, peer } = await rig(async (_request, response) => {
      await gate;
      json(response, 200, { client_secret: "new-secret", ...tokenA("TR", "RR") });
    });
    const rotating = tokens.rotate(NEVER);
    await until(() => peer.received.length === 1);
    const waiting = tokens.get(NEVER);
    release();
    expect([await rotating, await waiting]).toEqual(["new-secret", "TR"]);
    expect(peer.received).toHaveLength(1);
  });

  test("a refused rotation leaves everything as it was", async () => {
    const issue = issuing();
    const { tokens } = await rig((request, response, index) =>
      request.path === "/auth/rotate-key"
        ? json(response, 403, { error: { code: "FORBIDDEN", message: "no" } })
        : issue(request, response, index),
    );
    await tokens.get(NEVER);
    expect(await failure(tokens.rotate(NEVER))).toMatchObject({ code: "forbidden" });
    expect(await tokens.get(NEVER)).toBe("T0");
  });
});

test("two credentials in one process know nothing of each other", async () => {
  const peer = await startPeer((request, response) => {
    const { script_id: id } = JSON.parse(request.body) as { script_id: string };
    json(response, 200, tokenA(`token-of-${id}`, `refresh-of-${id}`));
  });
  const clock = new TestClock();
  const one = connect(peer, clock, "a", { clientId: "scr_one" });
  const two = connect(peer, clock, "a", { clientId: "scr_two" });
  expect(await Promise.all([one.get(NEVER), two.get(NEVER)])).toEqual(["token-of-scr_one", "token-of-scr_two"]);
  expect(one.invalidate("token-of-scr_two")).toBe(false);
  one.invalidate("token-of-scr_one");
  expect(await two.get(NEVER)).toBe("token-of-scr_two");
  expect(peer.received).toHaveLength(2);
});

test("closing ends a call under way", async () => {
  const { tokens, peer } = await rig(() => {});
  const pending = failure(tokens.get(NEVER));
  await until(() => peer.received.length === 1);
  tokens.close();
  expect(await pending).toMatchObject({ code: "aborted" });
});

function inAnHour(): string {
  return new Date(Date.now() + HOUR_MS).toISOString();
}

function tokenA(access: string, refresh: string): Record<string, string> {
  return { access_token: access, refresh_token: refresh, expires_at: inAnHour() };
}

test("a token's own claims come before the server's calendar", async () => {
  const token = jwt({ iat: 1_000, exp: 1_000 + 300 });
  const { tokens, clock, peer } = await rig((_request, response) =>
    json(response, 200, { access_token: token, expires_at: "2199-01-01T00:00:00Z" }),
  );
  await tokens.get(NEVER);
  clock.pass(200_000);
  await tokens.get(NEVER);
  expect(peer.received).toHaveLength(1);
  clock.pass(100_000);
  await tokens.get(NEVER);
  expect(peer.received).toHaveLength(2);
});
