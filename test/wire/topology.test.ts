import { describe, expect, it } from "vitest";
import { TOPOLOGY_MAX_GRANTS, TOPOLOGY_MAX_TOPICS, topologyEntrySchema, topologyGrantedSchema } from "agentrux-wire";

const entry = {
  type: "agentrux.topology",
  version: 1,
  script: { name: "my script", description: "does things" },
  topics: [{ ref: "in", name: "commands", retention_s: 86_400, intent: null }],
  grants: [{ topic_ref: "in", scope: "read", binding_name: null }],
  policy_match_inputs: null,
};

const accepts = (change: Record<string, unknown>): boolean =>
  topologyEntrySchema.safeParse({ ...entry, ...change }).success;
const topics = (count: number) => Array.from({ length: count }, (_, i) => ({ ref: `r${i}`, name: `n${i}` }));

describe("topology request", () => {
  it("takes the documented entry", () => {
    expect(accepts({})).toBe(true);
  });

  it("holds the counts", () => {
    const grants = [{ topic_ref: "r0", scope: "read" }];
    expect(accepts({ topics: topics(TOPOLOGY_MAX_TOPICS), grants })).toBe(true);
    expect(accepts({ topics: topics(TOPOLOGY_MAX_TOPICS + 1), grants })).toBe(false);
    expect(accepts({ topics: [] })).toBe(false);
    expect(accepts({ grants: [] })).toBe(false);
    const every = topics(20).flatMap((topic) => [
      { topic_ref: topic.ref, scope: "read" },
      { topic_ref: topic.ref, scope: "write" },
    ]);
    expect(every).toHaveLength(TOPOLOGY_MAX_GRANTS);
    expect(accepts({ topics: topics(20), grants: every })).toBe(true);
    expect(accepts({ topics: topics(20), grants: [...every, { topic_ref: "r0", scope: "read" }] })).toBe(false);
  });

  it.each([
    ["a topic name with capitals", { topics: [{ ref: "in", name: "Commands" }] }],
    ["a topic name of 129 characters", { topics: [{ ref: "in", name: "a".repeat(129) }] }],
    ["retention under an hour", { topics: [{ ref: "in", name: "a", retention_s: 3599 }] }],
    ["retention over thirty days", { topics: [{ ref: "in", name: "a", retention_s: 2_592_001 }] }],
    ["an intent of 257 characters", { topics: [{ ref: "in", name: "a", intent: "x".repeat(257) }] }],
    ["a control character in the description", { script: { name: "s", description: "a\u0007" } }],
    ["two topics with one ref", { topics: [...topics(1), ...topics(1)], grants: [{ topic_ref: "r0", scope: "read" }] }],
    [
      "two topics with one name",
      {
        topics: [
          { ref: "in", name: "a" },
          { ref: "out", name: "a" },
        ],
      },
    ],
    ["a grant on an unknown topic", { grants: [{ topic_ref: "out", scope: "read" }] }],
    ["a scope that is neither read nor write", { grants: [{ topic_ref: "in", scope: "read+write" }] }],
    [
      "one grant twice",
      {
        grants: [
          { topic_ref: "in", scope: "read" },
          { topic_ref: "in", scope: "read" },
        ],
      },
    ],
    [
      "one binding name twice",
      {
        grants: [
          { topic_ref: "in", scope: "read", binding_name: "b" },
          { topic_ref: "in", scope: "write", binding_name: "b" },
        ],
      },
    ],
    ["a binding name with a space at its end", { grants: [{ topic_ref: "in", scope: "read", binding_name: "b " }] }],
    ["a binding name outside ASCII", { grants: [{ topic_ref: "in", scope: "read", binding_name: "ü" }] }],
    ["an empty binding name", { grants: [{ topic_ref: "in", scope: "read", binding_name: "" }] }],
    ["a binding name of 65 characters", { grants: [{ topic_ref: "in", scope: "read", binding_name: "b".repeat(65) }] }],
    ["another version", { version: 2 }],
  ])("refuses %s", (_, change) => {
    expect(accepts(change)).toBe(false);
  });

  it("asks of an answer what clients check", () => {
    const granted = {
      script_id: "scr_1",
      alias_id: "al_1",
      topic_id_map: { in: "top_1" },
      grant_ids: { "topic:top_1:read": { grant_id: "g", binding_name: null } },
    };
    expect(topologyGrantedSchema.safeParse(granted).success).toBe(true);
    for (const change of [{ script_id: "" }, { alias_id: 1 }, { topic_id_map: { in: "" } }, { grant_ids: { x: {} } }]) {
      expect(topologyGrantedSchema.safeParse({ ...granted, ...change }).success).toBe(false);
    }
  });
});
