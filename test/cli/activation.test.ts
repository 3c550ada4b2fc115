/** Activating, recovering an interrupted activation, and rotating the secret: real hub, real files. */

import { createHash } from "node:crypto";
import { mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createScript, issueActivationCode } from "../../hub/src/admin/operations.ts";
import { activateAccount } from "../../src/cli/activate.ts";
import { failedBy } from "../../src/cli/output.ts";
import { recover } from "../../src/cli/recover.ts";
import { rotate } from "../../src/cli/rotate.ts";
import { topics } from "../../src/cli/topics.ts";
import { Place, until } from "../account/support.ts";
import { namesIn } from "../credentials/support.ts";
import { json, startPeer } from "../service/peer.ts";
import { activated, calls, contextOf, put, type TestContext } from "./support.ts";

let place: Place;

beforeEach(async () => {
  place = await Place.create();
});

afterEach(() => place.close());

const unasked = () => Promise.reject<string>(new Error("nobody should be asked for a code"));
const given = (text: string) => () => Promise.resolve(text);
const UNKNOWN_CODE = `ac_${"x".repeat(43)}`;

describe("activate", () => {
  it.each(["a", "b"] as const)("turns a code of generation %s into credentials that work", async (generation) => {
    const context = contextOf(place);
    const code = await place.code(generation);
    const result = await activateAccount(context, given(`# from the console\n${code}\n`));
    expect(result).toMatchObject({ exitCode: 0, json: { accountId: "default", generation, baseUrl: place.hub.url } });
    expect(JSON.stringify(result)).not.toContain(code);
    expect((await stat(context.paths.credentials)).mode & 0o777).toBe(0o600);
    expect(await namesIn(context.paths.dir)).toEqual(["credentials.json"]);
    expect(await topics(context, { fresh: true })).toMatchObject({ exitCode: 0 });
  });

  it("is done once when a gateway sees the file too", async () => {
    await mkdir(place.paths.dir, { recursive: true, mode: 0o700 });
    const running = place.start();
    await until("the gateway waits for a code", () => running.state?.kind === "blocked");
    const before = await calls(place, "/auth/activate");
    const result = await activateAccount(contextOf(place), given(await place.code()));
    expect(result.exitCode).toBe(0);
    await running.ready();
    expect((await calls(place, "/auth/activate")) - before).toBe(1);
  });

  it("takes a code that already waits in BOOTSTRAP.md, without asking for another", async () => {
    await put(place.paths.bootstrap, await place.code());
    expect(await activateAccount(contextOf(place), unasked)).toMatchObject({ exitCode: 0 });
  });

  it("does not touch the code when the account is activated", async () => {
    await activated(place, "me");
    const before = await calls(place, "/auth/activate");
    const result = await activateAccount(contextOf(place, "me"), unasked);
    expect(result).toMatchObject({ exitCode: 1, json: { error: { code: "already_activated" } } });
    expect(await calls(place, "/auth/activate")).toBe(before);
  });

  it("refuses what is no code before anything is written, and does not repeat it", async () => {
    for (const text of ["", "hello", "ac_tooshort-but-secret"]) {
      const result = await activateAccount(contextOf(place, "me"), given(text));
      expect(result.exitCode).toBe(2);
      expect(JSON.stringify(result)).not.toContain("tooshort");
    }
    expect(await namesIn(place.dir)).not.toContain("home");
  });

  it("says what the service said about a code it does not know, and quarantines it", async () => {
    const context = contextOf(place);
    const result = await activateAccount(context, given(UNKNOWN_CODE));
    expect(result).toMatchObject({ exitCode: 1, json: { error: { code: "refused" } } });
    expect(result.lines[0]).toMatch(/HTTP 404/);
    expect(JSON.stringify(result)).not.toContain(UNKNOWN_CODE);
    expect((await namesIn(context.paths.dir)).filter((name) => name.startsWith("BOOTSTRAP.md.failed-"))).toHaveLength(
      2,
    );
  });

  it("keeps the code when the service is down, and works when it is back", async () => {
    const code = await place.code();
    await place.hub.close();
    const context = contextOf(place);
    const result = await activateAccount(context, given(code));
    expect(result).toMatchObject({ exitCode: 3 });
    expect(result.lines.at(-1)).toContain("waits in");
    expect(await readFile(context.paths.bootstrap, "utf8")).toContain(code);
    await place.restartHub();
    expect(await activateAccount(context, unasked)).toMatchObject({ exitCode: 0 });
  });

  it("sends a code of an account nobody configured to the configured address, not to the vendor", () => {
    const { account } = contextOf(place, "me");
    expect(account.baseUrl).toBe(place.hub.url);
  });
});

const sure = { yes: true, confirm: () => Promise.reject<boolean>(new Error("nobody should be asked")) };

/** The context as it is `ms` from now: the change time of a file cannot be set back. */
const later = (context: TestContext, ms = 600_000): TestContext => ({ ...context, now: () => Date.now() + ms });

interface Recovered {
  readonly files: readonly { readonly plan: string; readonly movedTo: string | null }[];
}
const plansOf = (result: { readonly json: unknown }) => (result.json as Recovered).files.map(({ plan }) => plan);

describe("recover", () => {
  it("has nothing to do where nothing was interrupted", async () => {
    expect(await recover(contextOf(place), sure)).toMatchObject({ exitCode: 0, json: { files: [] } });
  });

  it("leaves a file alone that an activation may be using", async () => {
    await put(place.paths.inflight, UNKNOWN_CODE);
    const result = await recover(contextOf(place), sure);
    expect(result).toMatchObject({ exitCode: 3 });
    expect(plansOf(result)).toEqual(["leave"]);
    expect(await namesIn(place.paths.dir)).toEqual(["BOOTSTRAP.md.inflight"]);
  });

  it("puts a code back that was never sent, and it works then", async () => {
    const code = await place.code();
    await put(place.paths.inflight, `# note\n${code}\n`);
    const context = later(contextOf(place));
    const result = await recover(context, sure);
    expect(plansOf(result)).toEqual(["put-back"]);
    expect(JSON.stringify(result)).not.toContain(code);
    expect(await namesIn(place.paths.dir)).toEqual(["BOOTSTRAP.md"]);
    expect(await readFile(place.paths.bootstrap, "utf8")).toBe(`# note\n${code}\n`);
    expect(await activateAccount(contextOf(place), unasked)).toMatchObject({ exitCode: 0 });
  });

  it("never has a code sent a second time: one that was sent is set aside", async () => {
    const code = await place.code();
    const hash = createHash("sha256").update(code).digest("hex");
    await put(`${place.paths.bootstrap}.attempt.json`, JSON.stringify({ code_sha256: hash, sent_at: "x" }));
    await put(place.paths.inflight, code);
    const before = await calls(place, "/auth/activate");
    const result = await recover(later(contextOf(place)), sure);
    expect(plansOf(result)).toEqual(["set-aside"]);
    const names = await namesIn(place.paths.dir);
    expect(names).not.toContain("BOOTSTRAP.md");
    expect(names.filter((name) => name.startsWith("BOOTSTRAP.md.failed-"))).toHaveLength(2);
    expect(await calls(place, "/auth/activate")).toBe(before);
  });

  it("sets aside what is not needed: credentials exist, a newer file waits, no code in it", async () => {
    await put(place.paths.inflight, "nothing in here");
    expect(plansOf(await recover(later(contextOf(place)), sure))).toEqual(["set-aside"]);
    await put(place.paths.inflight, UNKNOWN_CODE);
    await put(place.paths.bootstrap, "newer");
    expect(plansOf(await recover(later(contextOf(place)), sure))).toEqual(["set-aside"]);
    expect(await readFile(place.paths.bootstrap, "utf8")).toBe("newer");
    const me = await activated(place, "me");
    await put(me.paths.inflight, UNKNOWN_CODE);
    expect(await recover(later(me), sure)).toMatchObject({
      json: { credentials: true, files: [{ plan: "set-aside", movedTo: expect.stringContaining(".failed-") }] },
    });
  });

  it("changes nothing without a yes", async () => {
    await put(place.paths.inflight, UNKNOWN_CODE);
    const context = later(contextOf(place));
    const asked: string[] = [];
    const confirm = (answer: boolean | undefined) => (question: string) => {
      asked.push(question);
      return Promise.resolve(answer);
    };
    expect(await recover(context, { yes: false, confirm: confirm(undefined) })).toMatchObject({ exitCode: 2 });
    expect(await recover(context, { yes: false, confirm: confirm(false) })).toMatchObject({ exitCode: 0 });
    expect(await namesIn(place.paths.dir)).toEqual(["BOOTSTRAP.md.inflight"]);
    expect(asked[0]).toContain("Credentials: none");
    expect(await recover(context, { yes: false, confirm: confirm(true) })).toMatchObject({ exitCode: 0 });
    expect(await namesIn(place.paths.dir)).toEqual(["BOOTSTRAP.md"]);
  });

  it("of two at once only one moves the file", async () => {
    await put(place.paths.inflight, UNKNOWN_CODE);
    const context = later(contextOf(place));
    const both = await Promise.all([recover(context, sure), recover(context, sure)]);
    const moved = both.flatMap(({ json }) => (json as Recovered).files).filter(({ movedTo }) => movedTo !== null);
    expect(moved).toHaveLength(1);
    expect(await namesIn(place.paths.dir)).toEqual(["BOOTSTRAP.md"]);
  });
});

describe("rotate", () => {
  const secretIn = async ({ paths }: TestContext) =>
    (JSON.parse(await readFile(paths.credentials, "utf8")) as { clientSecret: string }).clientSecret;

  it("replaces the secret on disk by one that works; the old one does not", async () => {
    const me = await activated(place, "me");
    const old = await readFile(me.paths.credentials, "utf8");
    const before = await secretIn(me);
    const result = await rotate(me);
    expect(result).toMatchObject({ exitCode: 0 });
    const after = await secretIn(me);
    expect(after).not.toBe(before);
    expect(JSON.stringify(result)).not.toContain(after);
    expect((await stat(me.paths.credentials)).mode & 0o777).toBe(0o600);
    expect(await topics(me, { fresh: true })).toMatchObject({ exitCode: 0 });
    await writeFile(me.paths.credentials, old);
    expect(await topics(me, { fresh: true }).catch(failedBy)).toMatchObject({
      exitCode: 1,
      json: { error: { code: "unauthorized" } },
    });
  });

  it("is taken up by a running gateway", async () => {
    await mkdir(place.paths.dir, { recursive: true, mode: 0o700 });
    await place.drop(await place.code());
    const running = place.start();
    await running.ready();
    await rotate(contextOf(place));
    await until("the gateway uses the new secret", () =>
      running.lines.some((line) => line.includes("credentials.json has changed")),
    );
    await place.publish({ request_id: "r", message: "still there" });
    expect(await place.reply("r")).toMatchObject({ status: "completed" });
  });

  it("asks for nothing where the new secret could not be stored", async () => {
    const me = await activated(place, "me");
    const before = await calls(place, "/auth/rotate-key");
    // A folder that cannot be made, because a file is in its way.
    const paths = { ...me.paths, base: `${me.paths.credentials}/no-folder` };
    expect(await rotate({ ...me, paths }).catch(failedBy)).toMatchObject({ json: { error: { code: "disk" } } });
    expect(await calls(place, "/auth/rotate-key")).toBe(before);
  });

  it("stores the new secret also when the first write fails", async () => {
    const me = await activated(place, "me");
    const peer = await startPeer(async (_request, response) => {
      // What was set aside for the secret is gone when it comes.
      for (const name of await namesIn(me.paths.dir)) if (name.endsWith(".tmp")) await rm(`${me.paths.dir}/${name}`);
      const issued = { client_secret: "the-new-secret", access_token: "T", refresh_token: "R" };
      json(response, 200, issued);
    });
    const account = { ...me.account, baseUrl: peer.url, baseUrlIsSet: true };
    expect(await rotate({ ...me, account })).toMatchObject({ exitCode: 0 });
    expect(me.shown.join()).toContain("credentials.json.recovered-");
    expect(await secretIn(me)).toBe("the-new-secret");
    expect(await namesIn(me.paths.dir)).toEqual(["credentials.json"]);
    await peer.close();
  });

  it("says where secrets of generation B are replaced", async () => {
    const script = await createScript(place.hub.deps, { name: "b" });
    const { code } = await issueActivationCode(place.hub.deps, { script: script.id, generation: "b" });
    const context = contextOf(place, "b");
    await activateAccount(context, given(code));
    expect(await rotate(context)).toMatchObject({ exitCode: 1, json: { error: { code: "unsupported" } } });
  });

  it("does not know the outcome when the service hangs up, and says so", async () => {
    const me = await activated(place, "me");
    const peer = await startPeer((_request, response) => void response.destroy());
    const account = { ...me.account, baseUrl: peer.url, baseUrlIsSet: true };
    const before = await secretIn(me);
    expect(await rotate({ ...me, account })).toMatchObject({ exitCode: 1, json: { error: { code: "in_doubt" } } });
    expect(await secretIn(me)).toBe(before);
    await peer.close();
  });
});
