/** The manifest validates before the plugin's code loads, so its schema and ours must say the same. */

import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { accountKeys, REMOVED_KEYS } from "../../src/config/schema.ts";
import { setupContract } from "../../src/host/setup.ts";
import { CHANNEL_ID, PLUGIN_ID } from "../../src/ids.ts";
import { TOOLS } from "../../src/tools/catalogue.ts";

interface JsonSchema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: boolean | JsonSchema;
  readonly required?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly pattern?: string;
  readonly enum?: readonly string[];
}

interface UiHint {
  readonly label?: string;
  readonly help?: string;
  readonly sensitive?: boolean;
}

const root = path.resolve(import.meta.dirname, "../..");
const read = (name: string): unknown => JSON.parse(readFileSync(path.join(root, name), "utf8"));
const manifest = read("openclaw.plugin.json") as {
  id: string;
  version: string;
  channels: string[];
  contracts: { tools: string[] };
  toolMetadata: Record<string, { optional?: boolean; replaySafe?: boolean; sideEffecting?: boolean }>;
  configSchema: JsonSchema;
  uiHints: Record<string, UiHint>;
  channelConfigs: Record<string, { schema: JsonSchema; uiHints: Record<string, UiHint> }>;
};
const pkg = read("package.json") as {
  version: string;
  openclaw: { channel: { id: string; setup: { fields: unknown } } };
};
const channel = manifest.channelConfigs[CHANNEL_ID];
const account = channel?.schema.properties?.["accounts"]?.additionalProperties as JsonSchema;

describe("manifest", () => {
  it("carries the ids and the version of the package", () => {
    expect(manifest.id).toBe(PLUGIN_ID);
    expect(manifest.channels).toEqual([CHANNEL_ID]);
    expect(pkg.openclaw.channel.id).toBe(CHANNEL_ID);
    expect(manifest.version).toBe(pkg.version);
  });

  it.each([
    ["the plugin's entry", () => manifest.configSchema],
    ["the channel", () => channel?.schema as JsonSchema],
    ["an account", () => account],
  ])("accepts every key of ours at %s, and none of them is required", (_where, schemaOf) => {
    const schema = schemaOf();
    expect(schema.additionalProperties).toBe(false);
    expect(schema.required).toBeUndefined();
    expect(Object.keys(schema.properties ?? {})).toEqual(expect.arrayContaining(Object.keys(accountKeys)));
  });

  it("knows no key of an account that the code does not read, but for those of earlier plugins", () => {
    const known = Object.keys({ ...accountKeys, ...REMOVED_KEYS }).toSorted();
    expect(Object.keys(account.properties ?? {}).toSorted()).toEqual(known);
    expect(Object.keys(manifest.configSchema.properties ?? {}).toSorted()).toEqual(known);
  });

  it.each(Object.keys(REMOVED_KEYS))(
    "takes any value for %s: over one it refused, the gateway would not start",
    (key) => {
      for (const schema of [manifest.configSchema, channel?.schema, account]) {
        expect(Object.keys(schema?.properties?.[key] ?? {})).toEqual(["description"]);
      }
    },
  );

  it.each(Object.keys(accountKeys) as (keyof typeof accountKeys)[])("has the range of %s", (key) => {
    const ours = z.toJSONSchema(accountKeys[key], { io: "input", unrepresentable: "any" }) as JsonSchema;
    const theirs = manifest.configSchema.properties?.[key] as JsonSchema;
    expect(theirs.type).toBe(ours.type);
    expect(theirs.minimum).toBe(ours.minimum);
    expect(theirs.maximum).toBe(ours.maximum);
    expect(theirs.enum).toEqual(ours.enum);
    expect(Object.keys(theirs.properties ?? {})).toEqual(Object.keys(ours.properties ?? {}));
  });

  it("offers the same set-up flags without the plugin's code as with it", () => {
    expect(pkg.openclaw.channel.setup.fields).toEqual(setupContract.metadata.fields);
  });

  it("states no defaults: the host would write them beside any key that is set, where they hide the same keys elsewhere", () => {
    const text = JSON.stringify([manifest.configSchema, channel?.schema]);
    expect(text).toContain('"baseUrl"');
    expect(text).not.toContain('"default"');
  });

  it("declares every tool, and what kind of tool it is", () => {
    expect(manifest.contracts.tools).toEqual(TOOLS.map(({ name }) => name));
    expect(manifest.toolMetadata).toEqual(
      Object.fromEntries(
        TOOLS.map((tool) => [
          tool.name,
          {
            ...(tool.optional === true ? { optional: true } : {}),
            ...(tool.replaySafe === true ? { replaySafe: true } : { sideEffecting: true }),
          },
        ]),
      ),
    );
  });

  it("labels and explains every key for the Control UI, and marks what may hold a secret", () => {
    const explained = (hints: Record<string, UiHint> | undefined) =>
      Object.entries(hints ?? {}).filter(([key, { label, help }]) => label && help && !key.includes("."));
    const keys = Object.keys({ ...accountKeys, ...REMOVED_KEYS });
    expect(
      explained(manifest.uiHints)
        .map(([key]) => key)
        .toSorted(),
    ).toEqual(keys.toSorted());
    expect(
      explained(channel?.uiHints)
        .map(([key]) => key)
        .toSorted(),
    ).toEqual(Object.keys(channel?.schema.properties ?? {}).toSorted());
    for (const hints of [manifest.uiHints, channel?.uiHints]) {
      expect(hints).toMatchObject({ activationCode: { sensitive: true }, webhookSecret: { sensitive: true } });
      expect(hints).toMatchObject({ "flux.token": { sensitive: true }, "flux.adminToken": { sensitive: true } });
    }
  });
});
