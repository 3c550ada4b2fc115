import { execFileSync, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { delimiter, join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { UUID_PATTERN } from "agentrux-wire";
import { temporaryFolder, until } from "./support/harness.ts";

const LAUNCHER = join(import.meta.dirname, "..", "bin", "agentrux-hub.js");

interface Outcome {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface Running {
  readonly child: ChildProcess;
  readonly firstLine: Promise<string>;
  readonly outcome: Promise<Outcome>;
}

function start(args: readonly string[], options: { node?: string; env?: Record<string, string> } = {}): Running {
  const child = spawn(options.node ?? process.execPath, [LAUNCHER, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { PATH: process.env["PATH"] ?? "", HOME: "/nonexistent", ...options.env },
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const outcome = new Promise<Outcome>((resolve) => {
    child.once("close", (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
  const firstLine = Promise.race([
    until(() => stdout.includes("\n")).then(() => stdout.slice(0, stdout.indexOf("\n"))),
    outcome.then((end) => Promise.reject(new Error(`ended with ${end.code}: ${end.stderr}`))),
  ]);
  firstLine.catch(() => undefined);
  return { child, firstLine, outcome };
}

const run = (...args: string[]) => start(args).outcome;

/** The last line of stdout, as a document. */
function json(outcome: Outcome): Record<string, unknown> {
  return JSON.parse(outcome.stdout.trimEnd().split("\n").at(-1) ?? "") as Record<string, unknown>;
}

async function ok(...args: string[]): Promise<Record<string, unknown>> {
  const outcome = await run(...args, "--json");
  expect(outcome.stderr).toBe("");
  expect(outcome.code).toBe(0);
  expect(outcome.stdout.trimEnd().split("\n")).toHaveLength(1);
  return json(outcome);
}

interface StartedHub extends Running {
  readonly data: string;
  readonly record: { url: string; adminToken: string; pid: number };
}

async function startHub(
  options: { node?: string; env?: Record<string, string>; args?: string[] } = {},
): Promise<StartedHub> {
  const data = join(await temporaryFolder(), "hub");
  const running = start(["start", "--port", "0", "--data", data, "--json", ...(options.args ?? [])], options);
  const record = JSON.parse(await running.firstLine) as StartedHub["record"];
  onTestFinished(() => killIfAlive(record.pid));
  return { ...running, data, record };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function killIfAlive(pid: number): void {
  if (isAlive(pid)) process.kill(pid, "SIGKILL");
}

/** A Node.js on this machine that is too old for the hub itself. */
function oldNode(): string | undefined {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  return folders
    .map((folder) => join(folder, "node"))
    .filter((path) => existsSync(path))
    .find(
      (path) => Number(execFileSync(path, ["-p", "process.versions.node.split('.')[0]"], { encoding: "utf8" })) < 24,
    );
}

describe("start", () => {
  it("says in its first line, as one document, where it is, and logs to stderr", async () => {
    const hub = await startHub();
    expect(Object.keys(hub.record).toSorted()).toEqual(["adminToken", "pid", "url"]);
    expect(hub.record.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect(hub.record.pid).toBe(hub.child.pid);
    expect((await fetch(`${hub.record.url}/healthz`)).status).toBe(200);
    hub.child.kill("SIGTERM");
    const end = await hub.outcome;
    expect(end.code).toBe(0);
    expect(end.stdout.trimEnd().split("\n")).toHaveLength(1);
    expect(end.stderr).toContain("hub is listening");
    expect(end.stderr).not.toContain(hub.record.adminToken);
  });

  it.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)(
    "ends with status 0 on %s, also when asked twice",
    async (signal) => {
      const hub = await startHub();
      hub.child.kill(signal);
      hub.child.kill(signal);
      expect(await hub.outcome).toMatchObject({ code: 0, signal: null });
    },
  );

  it("keeps everything over a restart, the admin token too", async () => {
    const hub = await startHub();
    const topic = await ok("topic", "create", "kept", "--data", hub.data);
    hub.child.kill("SIGKILL");
    await hub.outcome;
    const again = start(["start", "--port", "0", "--data", hub.data, "--json"]);
    const record = JSON.parse(await again.firstLine) as StartedHub["record"];
    expect(record.adminToken).toBe(hub.record.adminToken);
    expect(await ok("topic", "list", "--data", hub.data)).toMatchObject({ topics: [{ topic_id: topic["topic_id"] }] });
  });

  it("goes on when nobody reads its output any more", async () => {
    const hub = await startHub();
    hub.child.stdout?.destroy();
    hub.child.stderr?.destroy();
    await ok("topic", "create", "t", "--data", hub.data);
    expect((await fetch(`${hub.record.url}/metrics`)).status).toBe(200);
  });

  it("refuses a folder that another hub has, and a port that is taken, and says what to do", async () => {
    const hub = await startHub();
    const second = await run("start", "--port", "0", "--data", hub.data, "--json");
    expect(second.code).toBe(1);
    expect(json(second)).toMatchObject({ error: { code: "DATA_FOLDER_IN_USE" } });
    expect(second.stderr).toContain(hub.data);

    const server = createServer().listen(0, "127.0.0.1");
    onTestFinished(() => void server.close());
    await until(() => server.listening);
    const port = String((server.address() as AddressInfo).port);
    const taken = await run("start", "--port", port, "--data", join(hub.data, "..", "other"), "--json");
    expect(taken.code).toBe(1);
    expect(json(taken)).toMatchObject({ error: { code: "PORT_IN_USE" } });
    expect(taken.stderr).toContain("--port 0");
  });

  it("takes the admin token from the environment, and no short one", async () => {
    const token = "a-token-from-the-environment";
    const hub = await startHub({ env: { AGENTRUX_HUB_ADMIN_TOKEN: token } });
    expect(hub.record.adminToken).toBe(token);
    const outcome = await start(["start", "--port", "0", "--data", `${hub.data}2`], {
      env: { AGENTRUX_HUB_ADMIN_TOKEN: "short" },
    }).outcome;
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toContain("AGENTRUX_HUB_ADMIN_TOKEN");
  });

  it("warns loudly when it listens beyond the machine", async () => {
    const hub = await startHub({ args: ["--host", "0.0.0.0"] });
    hub.child.kill("SIGTERM");
    expect((await hub.outcome).stderr).toContain("WITHOUT TLS");
  });

  it("tells people where it listens and how to stop it", async () => {
    const data = join(await temporaryFolder(), "hub");
    const running = start(["start", "--port", "0", "--data", data]);
    expect(await running.firstLine).toMatch(/^The hub listens at http:\/\/127\.0\.0\.1:\d+$/);
    running.child.kill("SIGINT");
    const end = await running.outcome;
    expect(end.code).toBe(0);
    expect(end.stdout).toContain("Ctrl-C");
    const token = (await readFile(join(data, "admin-token"), "utf8")).trim();
    expect(end.stdout + end.stderr).not.toContain(token);
  });
});

describe("commands", () => {
  it("set up topics, scripts, codes and invites, each answer one document", async () => {
    const { data, record } = await startHub();
    const at = ["--data", data];
    const commands = await ok("topic", "create", "commands", ...at);
    expect(commands).toEqual({ topic_id: expect.stringMatching(UUID_PATTERN), name: "commands" });
    const results = await ok("topic", "create", "results", ...at);
    const script = await ok(
      "script",
      "create",
      "agent",
      "--read",
      "commands",
      "--write",
      String(results["topic_id"]),
      ...at,
    );
    expect(script).toEqual({ script_id: expect.stringMatching(/^scr_/) });
    const scriptId = String(script["script_id"]);

    const issued = await ok("code", "issue", "agent", "--ttl", "24h", ...at);
    expect(issued).toEqual({
      activation_code: expect.stringMatching(/^ac_/),
      script_id: scriptId,
      expires_at: expect.stringContaining("T"),
    });
    const issuedB = await ok("code", "issue", scriptId, "--generation", "b", ...at);
    expect(issuedB["activation_code"]).toMatch(/^act_/);
    const activated = await fetch(`${record.url}/auth/activate`, {
      method: "POST",
      body: JSON.stringify({ activation_code: issued["activation_code"] }),
    });
    const body = (await activated.json()) as { script_id: string; grants: { topic_id: string; action: string }[] };
    expect(body.script_id).toBe(scriptId);
    const granted = body.grants.map(({ topic_id, action }) => `${action} ${topic_id}`).toSorted();
    expect(granted).toEqual([`read ${String(commands["topic_id"])}`, `write ${String(results["topic_id"])}`]);

    const invite = await ok("invite", "create", "results", "--action", "read", ...at);
    expect(invite["invite_code"]).toMatch(/^inv_/);
    expect(await ok("invite", "list", "results", ...at)).toMatchObject({ invites: [{ state: "open" }] });
    const grant = await ok("grant", "create", "agent", "results", "--action", "read", ...at);
    expect(await ok("grant", "revoke", String(grant["grant_id"]), ...at)).toMatchObject({ revoked: true });
    expect((await ok("grant", "list", "agent", ...at))["grants"]).toHaveLength(2);
    expect((await ok("topic", "list", ...at))["topics"]).toHaveLength(2);
    expect((await ok("script", "list", ...at))["scripts"]).toHaveLength(1);
    expect(await ok("doctor", ...at)).toMatchObject({ ok: true });
  });

  it("find the hub by folder, by environment, or by address and token", async () => {
    const { data, record } = await startHub();
    const token = { AGENTRUX_HUB_ADMIN_TOKEN: record.adminToken };
    const ways: [string[], Record<string, string>][] = [
      [["--data", data], {}],
      [[], { AGENTRUX_HUB_DATA: data }],
      [["--url", `${record.url}/`], token],
      [["--url", record.url, "--admin-token", record.adminToken], {}],
    ];
    for (const [args, env] of ways) {
      const { code } = await start(["topic", "list", "--json", ...args], { env }).outcome;
      expect({ args, code }).toEqual({ args, code: 0 });
    }
    const wrong = await run("topic", "list", "--url", record.url, "--admin-token", "wrong", "--json");
    expect(wrong.code).toBe(1);
    expect(json(wrong)).toMatchObject({ error: { code: "UNAUTHORIZED" } });
  });

  it("register webhooks, and decide about programs that ask for access", async () => {
    const { data, record } = await startHub();
    const at = ["--data", data];
    await ok("topic", "create", "t", ...at);
    const webhook = await ok("webhook", "create", "t", "https://example.com/hook", ...at);
    expect(webhook["secret"]).toMatch(/^whs_/);
    const listed = await ok("webhook", "list", "t", ...at);
    expect(listed).toMatchObject({ webhooks: [{ webhook_id: webhook["webhook_id"] }] });
    expect(JSON.stringify(listed)).not.toContain("whs_");
    expect(await ok("webhook", "delete", String(webhook["webhook_id"]), ...at)).toMatchObject({ deleted: true });

    const ask = async (): Promise<string> => {
      const registered = await fetch(`${record.url}/oauth/register`, {
        method: "POST",
        body: JSON.stringify({ client_name: "a program", token_endpoint_auth_method: "none" }),
      });
      const { client_id } = (await registered.json()) as { client_id: string };
      const asked = await fetch(`${record.url}/oauth/device/authorize`, {
        method: "POST",
        body: new URLSearchParams({ client_id, scope: "topic.read" }),
      });
      return ((await asked.json()) as { user_code: string }).user_code;
    };
    const [welcome, unwelcome] = [await ask(), await ask()];
    const list = await run("request", "list", ...at);
    expect(list.stdout).toMatch(new RegExp(`${welcome} +a program +read topics`));
    expect((await run("request", "approve", welcome, ...at)).stderr).toContain("which script");
    const approved = await ok("request", "approve", welcome, "--read", "t", ...at);
    expect(approved["script_id"]).toMatch(/^scr_/);
    expect(await ok("request", "deny", unwelcome, ...at)).toMatchObject({ denied: true });
    expect(await ok("request", "list", ...at)).toEqual({ requests: [] });
  });

  it("print tables for people", async () => {
    const { data } = await startHub();
    const made = await run("topic", "create", "jobs", "--data", data);
    expect(made.stdout).toMatch(/top_[0-9a-f-]{36}/);
    const list = await run("topic", "list", "--data", data);
    expect(list.stdout).toMatch(/^NAME +TOPIC ID +KEPT FOR\njobs +[0-9a-f-]{36} +30 d\n$/);
  });

  it("fail with status 1, what is wrong, and what to do", async () => {
    const { data, child, outcome } = await startHub();
    await ok("topic", "create", "t", "--data", data);
    const failures: [string[], string, string][] = [
      [["topic", "create", "t", "--data", data], "CONFLICT", "t"],
      [["topic", "create", "Bad Name", "--data", data], "INVALID", "a-z"],
      [["script", "create", "s", "--read", "nowhere", "--data", data], "NOT_FOUND", "nowhere"],
      [["code", "issue", "nobody", "--data", data], "NOT_FOUND", "script list"],
      [["topic", "list", "--data", join(data, "none")], "NOT_RUNNING", "agentrux-hub start"],
    ];
    for (const [args, code, words] of failures) {
      const end = await run(...args, "--json");
      expect({ args, code: end.code }).toEqual({ args, code: 1 });
      expect(json(end)).toMatchObject({ error: { code } });
      expect(end.stderr).toContain(words);
    }
    child.kill("SIGKILL");
    await outcome;
    const gone = await run("topic", "list", "--data", data, "--json");
    expect(gone.code).toBe(1);
    expect(json(gone)).toMatchObject({ error: { code: "UNREACHABLE" } });
    expect((await run("doctor", "--data", data)).code).toBe(1);
  });

  it("end with status 2 on wrong usage, and say what and how", async () => {
    const wrong: [string[], string][] = [
      [[], "--help"],
      [["nope"], "nope"],
      [["topic"], "topic create, topic list"],
      [["topic", "remove", "x"], "topic create, topic list"],
      [["topic", "create"], "NAME is missing"],
      [["topic", "create", "a", "b"], "Unexpected: b"],
      [["topic", "create", "a", "--shout"], "--shout"],
      [["code", "issue", "s", "--ttl", "2h"], "1h or 6h or 24h"],
      [["code", "issue", "s", "--generation", "c"], "a or b"],
      [["invite", "create", "t"], "--action is missing"],
      [["start", "--port", "http"], "--port"],
      [["start", "--port", "65536"], "65535"],
    ];
    for (const [args, words] of wrong) {
      const end = await run(...args);
      expect({ args, ...end }).toMatchObject({ args, code: 2, stdout: "", stderr: expect.stringContaining(words) });
    }
    expect(json(await run("nope", "--json"))).toMatchObject({ error: { code: "USAGE" } });
  });

  it("help", async () => {
    const help = await run("--help");
    expect(help.code).toBe(0);
    expect(help.stdout).toContain("agentrux-hub start");
    expect((await run("topic", "create", "--help")).code).toBe(0);
    expect((await run("--version")).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it("doctor finds an open folder", async () => {
    const { data } = await startHub();
    await chmod(data, 0o755);
    const end = await run("doctor", "--data", data, "--json");
    expect(end.code).toBe(1);
    expect(end.stdout).toContain("chmod go=");
  });
});

const old = oldNode();

describe.skipIf(old === undefined)("under a Node.js that is too old (skipped where this machine has none)", () => {
  const launch = { node: old ?? "" };

  it("runs on the toolchain's, and ends with its status", async () => {
    const hub = await startHub(launch);
    expect(hub.record.pid).not.toBe(hub.child.pid);
    const made = await start(["topic", "create", "t", "--data", hub.data, "--json"], launch).outcome;
    expect(made.code).toBe(0);
    expect(json(made)).toMatchObject({ name: "t" });
    expect((await start(["nope"], launch).outcome).code).toBe(2);
    hub.child.kill("SIGTERM");
    expect(await hub.outcome).toMatchObject({ code: 0, signal: null });
    expect(isAlive(hub.record.pid)).toBe(false);
  });

  it("leaves no hub behind when the launcher is killed", async () => {
    const hub = await startHub(launch);
    hub.child.kill("SIGKILL");
    await hub.outcome;
    await until(() => !isAlive(hub.record.pid));
    const again = start(["start", "--port", "0", "--data", hub.data, "--json"], launch);
    const record = JSON.parse(await again.firstLine) as StartedHub["record"];
    expect(record.adminToken).toBe(hub.record.adminToken);
    again.child.kill("SIGTERM");
    expect((await again.outcome).code).toBe(0);
  });

  it("says what is needed when there is no other, or when the package is incomplete", async () => {
    const folder = await temporaryFolder();
    await mkdir(join(folder, "bin"));
    await writeFile(join(folder, "package.json"), '{"type":"module"}');
    const copy = join(folder, "bin", "agentrux-hub.js");
    await copyFile(LAUNCHER, copy);
    const runCopy = async () => {
      const child = spawn(old ?? "", [copy, "--version"], { stdio: "pipe" });
      let stderr = "";
      child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
      const code = await new Promise((resolve) => child.once("close", resolve));
      return { code, stderr };
    };
    const incomplete = await runCopy();
    expect(incomplete).toMatchObject({ code: 1, stderr: expect.stringContaining("incomplete") });
    await mkdir(join(folder, "dist", "cli"), { recursive: true });
    await writeFile(join(folder, "dist", "cli", "main.js"), "");
    const tooOld = await runCopy();
    expect(tooOld).toMatchObject({ code: 1, stderr: expect.stringContaining("Node.js 24.16 or newer") });
  });
});
