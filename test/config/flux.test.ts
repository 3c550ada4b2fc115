/** The key `flux`: what a person may write, what it means, and what is said of what makes no sense. */

import { describe, expect, it } from "vitest";
import { parseCondition } from "../../src/config/condition.ts";
import { type FluxWatch, fluxKey, resolveFlux } from "../../src/config/flux.ts";
import { resolveAccountConfig } from "../../src/config/resolve.ts";

const watch = (written: object): FluxWatch | undefined =>
  resolveFlux(fluxKey.parse({ watch: [{ id: "w", ...written }] })).watches[0];

const problemsOf = (flux: unknown): readonly string[] =>
  resolveAccountConfig({ channels: { agentrux: { flux } } }, "default").problems.filter((text) =>
    text.includes("flux"),
  );

describe("a condition", () => {
  it.each([
    ["changed", { kind: "changed" }],
    [" appeared ", { kind: "appeared" }],
    ["gone", { kind: "gone" }],
    ["temperature > 30", { kind: "compare", property: "temperature", operator: ">", operand: 30 }],
    ["temperature>=-1.5e3", { kind: "compare", property: "temperature", operator: ">=", operand: -1_500 }],
    ["> 30", { kind: "compare", operator: ">", operand: 30 }],
    ['status == "on fire"', { kind: "compare", property: "status", operator: "==", operand: "on fire" }],
    ["status != idle", { kind: "compare", property: "status", operator: "!=", operand: "idle" }],
    ["open == true", { kind: "compare", property: "open", operator: "==", operand: true }],
    ["owner == null", { kind: "compare", property: "owner", operator: "==", operand: null }],
    ["note contains help", { kind: "compare", property: "note", operator: "contains", operand: "help" }],
    ["a b < 2", { kind: "compare", property: "a b", operator: "<", operand: 2 }],
  ])("reads %j", (text, condition) => {
    expect(parseCondition(text)).toEqual(condition);
  });

  it.each([
    ["", /must be "changed"/],
    ["changes", /must be "changed"/],
    ["temperature >", /must be "changed"/],
    ["temperature > warm", /> needs a number/],
    ["status == [1]", /cannot be compared with \[1\]/],
    ["note contains 3", /contains needs a text/],
    ["a == $(id)", /cannot be compared/],
  ])("says what is wrong with %j", (text, why) => {
    expect(parseCondition(text)).toMatch(why);
  });
});

describe("a watch", () => {
  it("is of one entity, a prefix or a namespace", () => {
    expect(watch({ entity: "lab/a" })?.target).toEqual({ entity: "lab/a" });
    expect(watch({ prefix: "lab/room-" })?.target).toEqual({ prefix: "lab/room-" });
    expect(watch({ namespace: "lab" })?.target).toEqual({ prefix: "lab/" });
  });

  it("tells of every change where nothing else is said", () => {
    expect(watch({ entity: "lab/a" })).toEqual({
      id: "w",
      target: { entity: "lab/a" },
      condition: { kind: "changed" },
      debounceMs: 250,
      cooldownMs: 30_000,
      turnsPerHour: 60,
    });
  });

  it.each([{ when: "temperature > 30" }, { when: "> 30", property: "temperature" }])(
    "takes the property of a comparison from either place: %j",
    (written) => {
      expect(watch({ entity: "lab/a", ...written })).toMatchObject({
        property: "temperature",
        condition: { kind: "compare", property: "temperature", operator: ">", operand: 30 },
      });
    },
  );

  it.each([
    [{}, /needs exactly one of entity, prefix and namespace/],
    [{ entity: "a", prefix: "b" }, /needs exactly one of/],
    [{ prefix: "" }, /watch\.0\.prefix/],
    [{ entity: "a", when: "> 30" }, /a comparison needs a property/],
    [{ entity: "a", when: "x > 30", property: "y" }, /a comparison needs a property/],
    [{ entity: "a", when: "sometimes" }, /watch\.0\.when must be "changed"/],
  ])("does not start an account with %j", (written, why) => {
    expect(problemsOf({ watch: [{ id: "w", ...written }] }).join("; ")).toMatch(why);
  });
});

describe("the key", () => {
  it("keeps a secret reference apart from a secret", () => {
    const ref = { source: "env", provider: "default", id: "FLUX_TOKEN" };
    expect(resolveFlux(fluxKey.parse({ token: ref, adminToken: "t" }))).toMatchObject({
      adminToken: "t",
      unresolved: ["token"],
    });
  });

  it("wants a namespace before agents appear in it", () => {
    expect(problemsOf({ presence: { enabled: true } })).toHaveLength(1);
    expect(problemsOf({ presence: { enabled: true }, namespace: "dawn-coral" })).toEqual([]);
  });

  it("is each account's own: two accounts must not be woken by the same change", () => {
    const flux = { watch: [{ id: "w", entity: "a" }] };
    const cfg = { channels: { agentrux: { flux, accounts: { other: { agentId: "main" } } } } };
    expect(resolveAccountConfig(cfg, "default").flux.watches).toHaveLength(1);
    expect(resolveAccountConfig(cfg, "other").flux.watches).toEqual([]);
  });
});
