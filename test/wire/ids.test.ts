import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  ACTIVATION_CODE_A_PATTERN,
  INVITE_CODE_PATTERN,
  bareEventId,
  bareObjectId,
  bareTopicId,
  generationOfActivationCode,
  generationOfTopicId,
  parseScopeClaim,
  prefixedEventId,
  prefixedObjectId,
  prefixedTopicId,
  scopeEntry,
} from "agentrux-wire";

const UUID = "0f8fad5b-d9cb-469f-a165-70867728950e";

describe("ids", () => {
  it("converts both ways and is idempotent", () => {
    fc.assert(
      fc.property(fc.uuid(), (uuid) => {
        for (const [add, strip, prefix] of [
          [prefixedTopicId, bareTopicId, "top_"],
          [prefixedEventId, bareEventId, "evt_"],
          [prefixedObjectId, bareObjectId, "pob_"],
        ] as const) {
          expect(add(uuid)).toBe(prefix + uuid);
          expect(add(add(uuid))).toBe(prefix + uuid);
          expect(strip(add(uuid))).toBe(uuid);
          expect(strip(uuid)).toBe(uuid);
        }
      }),
    );
  });

  it("leaves foreign ids alone", () => {
    for (const id of ["obj_123", "scr_x", "", "top_not-a-uuid", `evt_${UUID}`]) {
      expect(bareTopicId(id)).toBe(id);
      expect(prefixedTopicId(id)).toBe(id);
    }
  });

  it("tells the dialect by the form of the topic id", () => {
    expect(generationOfTopicId(UUID)).toBe("a");
    expect(generationOfTopicId(UUID.toUpperCase())).toBe("a");
    expect(generationOfTopicId(`top_${UUID}`)).toBe("b");
    for (const id of ["", "top_", `evt_${UUID}`, `${UUID}/..`, `${UUID}\n`, "../../etc/passwd"]) {
      expect(generationOfTopicId(id)).toBeUndefined();
    }
  });

  it("tells the generation of an activation code", () => {
    const rest = "A".repeat(43);
    expect(generationOfActivationCode(`ac_${rest}`)).toBe("a");
    expect(generationOfActivationCode(`act_${rest}`)).toBe("b");
    expect(generationOfActivationCode(`atk_${rest}`)).toBeUndefined();
    expect(generationOfActivationCode(`ac_${"A".repeat(19)}`)).toBeUndefined();
    expect(generationOfActivationCode(`ac_${"A".repeat(201)}`)).toBeUndefined();
    expect(ACTIVATION_CODE_A_PATTERN.test(`act_${rest}`)).toBe(false);
    expect(INVITE_CODE_PATTERN.test(`inv_${rest}`)).toBe(true);
  });
});

describe("scope claim", () => {
  const other = "11111111-2222-4333-8444-555555555555";

  it("reads a list, a joined string and read+write", () => {
    const both = [{ topicId: UUID, actions: ["read", "write"] }];
    expect(parseScopeClaim([scopeEntry(UUID, "read"), scopeEntry(UUID, "write")])).toEqual(both);
    expect(parseScopeClaim(`topic:${UUID}:read topic:${UUID}:write`)).toEqual(both);
    expect(parseScopeClaim([`topic:${UUID}:read+write`])).toEqual(both);
  });

  it("leaves out what it does not know", () => {
    expect(parseScopeClaim(["openid", 7, null, `topic:${UUID}:admin`, `topic:${other}:write`])).toEqual([
      { topicId: other, actions: ["write"] },
    ]);
    for (const claim of [undefined, null, 5, {}]) expect(parseScopeClaim(claim)).toEqual([]);
  });
});
