import path from "node:path";
import { describe, expect, it } from "vitest";
import { accountPaths, baseDirectory, hostConfigElsewhere } from "../../src/credentials/home.ts";
import { isAgentruxError } from "../../src/errors.ts";

const noHome = () => {
  throw new Error("no such user");
};

function codeOf(act: () => unknown): string | undefined {
  try {
    act();
    return undefined;
  } catch (error) {
    return isAgentruxError(error) ? error.code : "other";
  }
}

describe("baseDirectory", () => {
  it("prefers HOME, then USERPROFILE, then the system's answer", () => {
    expect(baseDirectory({ HOME: "/h", USERPROFILE: "/u" }, () => "/s")).toBe("/h/.agentrux");
    expect(baseDirectory({ USERPROFILE: "/u" }, () => "/s")).toBe("/u/.agentrux");
    expect(baseDirectory({}, () => "/s")).toBe("/s/.agentrux");
  });

  it("never takes ~, an empty or a relative value for a home", () => {
    expect(baseDirectory({ HOME: "~", USERPROFILE: "" }, () => "/s")).toBe("/s/.agentrux");
    expect(baseDirectory({ HOME: "home/ada" }, () => "/s")).toBe("/s/.agentrux");
    expect(codeOf(() => baseDirectory({ HOME: "~" }, () => "~"))).toBe("config");
  });

  it("refuses to go on without any home", () => {
    expect(codeOf(() => baseDirectory({}, noHome))).toBe("config");
    expect(codeOf(() => baseDirectory({}, () => ""))).toBe("config");
  });
});

describe("accountPaths", () => {
  it("gives the default account the base folder itself", () => {
    const paths = accountPaths("default", "/h/.agentrux");
    expect(paths.dir).toBe("/h/.agentrux");
    expect(paths.bootstrap).toBe("/h/.agentrux/BOOTSTRAP.md");
    expect(paths.inflight).toBe("/h/.agentrux/BOOTSTRAP.md.inflight");
    expect(paths.waterline).toBe("/h/.agentrux/waterline.json");
  });

  it("gives a named account a folder of its own", () => {
    expect(accountPaths("work-2", "/h/.agentrux").credentials).toBe("/h/.agentrux/accounts/work-2/credentials.json");
  });

  it.each(["", ".", "..", "../x", "a/b", "A", "-x", "a b", "a\0", "x".repeat(65)])("refuses the id %j", (id) => {
    expect(codeOf(() => accountPaths(id, "/h/.agentrux"))).toBe("config");
  });
});

describe("hostConfigElsewhere", () => {
  it("is what the environment says, as the host understands it", () => {
    const at = (OPENCLAW_CONFIG_PATH?: string) => hostConfigElsewhere("/h", { OPENCLAW_CONFIG_PATH });
    expect([at(), at("  ")]).toEqual([undefined, undefined]);
    expect([at(" /etc/openclaw.json "), at("~/oc.json"), at("~ada/oc.json")]).toEqual([
      "/etc/openclaw.json",
      "/h/oc.json",
      path.resolve("~ada/oc.json"),
    ]);
  });
});
