import { describe, expect, it } from "vitest";
import { securityFindings } from "../../src/config/security-findings.ts";
import { PLUGIN_ID } from "../../src/ids.ts";

const keys = {
  commandTopicId: "11111111-1111-4111-8111-111111111111",
  resultTopicId: "22222222-2222-4222-8222-222222222222",
  agentId: "main",
};
const held = { tools: { fs: { workspaceOnly: true } } };
const found = (agentrux: object, rest: object = held) =>
  securityFindings({ channels: { agentrux: { ...keys, ...agentrux } }, ...rest }).map(
    ({ id, severity, where }) => `${severity} ${id} ${where}`,
  );
const closed = { allowFrom: ["scr_a"] };
const running = (...allowedCommands: string[]) => ({ ...closed, execPolicy: { enabled: true, allowedCommands } });

describe("securityFindings", () => {
  it("has nothing to say of a listed sender, no exec, https and files held in", () => {
    expect(found(closed)).toEqual([]);
    expect(found({ dmPolicy: "disabled" })).toEqual([]);
    expect(securityFindings({})).toEqual([]);
  });

  it("notes open senders, and warns where they may run commands", () => {
    expect(found({})).toEqual(["info security.senders-open channels.agentrux.dmPolicy"]);
    expect(found({ allowFrom: ["*"] })).toEqual(["info security.senders-open channels.agentrux.dmPolicy"]);
    expect(found({ ...running("df"), dmPolicy: "open" })).toContain(
      "warning security.senders-open channels.agentrux.dmPolicy",
    );
  });

  it("notes that exec is on, and where it could not work", () => {
    expect(found(running("df -h"))).toEqual(["info security.exec-on channels.agentrux.execPolicy.enabled"]);
    const elsewhere = { tools: { fs: { workspaceOnly: true }, exec: { host: "node" } } };
    expect(found(running("df"), elsewhere)).toContain("warning security.exec-elsewhere tools.exec.host");
  });

  it.each([".*", "[\\s\\S]*", ".+", "sh .*", "python3? .*", "git .*", "cat .*", "cat \\S+", "env \\w+", "find .*"])(
    "says that %j is too wide",
    (pattern) => {
      expect(found(running("df", pattern))).toContain(
        "error security.pattern-wide channels.agentrux.execPolicy.allowedCommands.1",
      );
    },
  );

  it.each(["df( -h)?", "git (status|log)", "cat [\\w-]+\\.txt", "\\./report\\.sh [a-z]+", "systemctl status [a-z-]+"])(
    "does not say so of %j",
    (pattern) => {
      expect(found(running(pattern))).toHaveLength(1);
    },
  );

  it("names a pattern that is none", () => {
    expect(found(running("(df"))).toContain(
      "warning security.pattern-broken channels.agentrux.execPolicy.allowedCommands.0",
    );
  });

  it("names plain http to another machine, not to this one", () => {
    expect(found({ ...closed, baseUrl: "http://hub.example" })).toEqual([
      "error security.plain-http channels.agentrux.baseUrl",
    ]);
    expect(found({ ...closed, baseUrl: "http://127.0.0.1:1" })).toEqual([]);
  });

  it("notes files that are not held in the workspace, by the agent's own setting first", () => {
    expect(found(closed, {})).toEqual(["info security.files-open tools.fs.workspaceOnly"]);
    const agents = { list: [{ id: "main", tools: { fs: { workspaceOnly: true } } }] };
    expect(found(closed, { agents })).toEqual([]);
  });

  it("names the place where a key stands, and says where the host's own audit does not look", () => {
    const config = { ...keys, ...running("df") };
    const at = (agentrux: object) =>
      securityFindings({
        channels: { agentrux },
        plugins: { entries: { [PLUGIN_ID]: { config } } },
        ...held,
      }).map(({ id, where }) => `${id} ${where}`);
    const execOn = `security.exec-on plugins.entries.${PLUGIN_ID}.config.execPolicy.enabled`;
    expect(at({})).toEqual([execOn, "security.not-audited channels.agentrux.enabled"]);
    expect(at({ enabled: true })).toEqual([execOn]);
    expect(at({ execPolicy: { enabled: true } })).toEqual(["security.exec-on channels.agentrux.execPolicy.enabled"]);
    expect(at({ accounts: { default: { execPolicy: { enabled: true } } } })).toEqual([
      "security.exec-on channels.agentrux.accounts.default.execPolicy.enabled",
    ]);
  });

  it("speaks of each account, and of none that is off", () => {
    const accounts = { a: { commandTopicId: keys.resultTopicId }, b: { enabled: false, commandTopicId: keys.agentId } };
    expect(found({ accounts }).filter((line) => line.includes("senders-open"))).toEqual([
      "info security.senders-open channels.agentrux.dmPolicy",
      "info security.senders-open channels.agentrux.accounts.a.dmPolicy",
    ]);
  });

  it("names a world-state server that would hear tokens in the clear", () => {
    const flux = { url: "http://flux.example" };
    expect(found({ ...closed, flux })).toEqual(["error security.flux-plain-http channels.agentrux.flux.url"]);
    expect(found({ ...closed, flux: { url: "http://127.0.0.1:1" } })).toEqual([]);
  });

  it("notes a token that stands in the file itself, with its place and without it, and none that is a reference", () => {
    const token = "the-token-itself";
    const findings = securityFindings({ channels: { agentrux: { ...keys, ...closed, flux: { token } } }, ...held });
    expect(findings).toMatchObject([
      { id: "security.flux-token-plain", severity: "info", where: "channels.agentrux.flux.token" },
    ]);
    expect(findings[0]?.cure).toContain("openclaw config set channels.agentrux.flux.token --ref-source env");
    expect(JSON.stringify(findings)).not.toContain(token);
    expect(found({ ...closed, flux: { token: { source: "env", provider: "default", id: "X" } } })).toEqual([]);
    const config = { ...keys, ...closed, flux: { adminToken: token } };
    const entry = { plugins: { entries: { "agentrux-openclaw-plugin": { config } } }, ...held };
    expect(securityFindings(entry).filter(({ id }) => id !== "security.not-audited")).toMatchObject([
      { where: "plugins.entries.agentrux-openclaw-plugin.config.flux.adminToken" },
    ]);
  });

  it.each([
    ["info", closed, { namespace: "lab" }],
    ["warning", closed, {}],
    ["warning", { dmPolicy: "open" }, { namespace: "lab" }],
    ["error", { dmPolicy: "open" }, {}],
    ["error", { allowFrom: ["*"] }, {}],
  ])("has %s for what requests may write, with %j and %j", (severity, senders, flux) => {
    expect(found({ ...senders, flux: { ...flux, topicTurns: "write" } })).toContain(
      `${severity} security.flux-topic-writes channels.agentrux.flux.topicTurns`,
    );
    expect(found({ ...senders, flux: { ...flux, topicTurns: "read" } }).join()).not.toContain("topic-writes");
  });
});
