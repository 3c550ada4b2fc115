/**
 * Every tool that the host brings has been judged: it is kept from a topic's turn, or left to it for a reason. A release
 * with a new one fails here until somebody has looked at what it reaches.
 */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { expect, it } from "vitest";
import { whyRefused } from "../../src/guard/tools.ts";

const DIST = path.dirname(fileURLToPath(import.meta.resolve("openclaw")));

/** What a topic's turn keeps, and why it may. */
const LEFT: Readonly<Record<string, string>> = {
  "files, whose paths are judged": "ls read write edit apply_patch view_image pdf",
  "the web, without anybody's sign-in": "web_search web_fetch x_search",
  "what the agent remembers": "memory_search memory_get wiki_get wiki_search wiki_status",
  "the conversation itself": "get_goal create_goal update_goal progress_card structured_output",
  "the request's own answer; other recipients are refused": "message",
  "what is made from the request": "image_generate music_generate video_generate tts llm-task",
};

/** A module of the host, whose file and exports are named anew with each build. */
async function exportsOf(name: string): Promise<unknown[]> {
  const files = readdirSync(DIST).filter((file) => file.startsWith(`${name}-`));
  expect(files).toHaveLength(1);
  return Object.values((await import(pathToFileURL(path.join(DIST, files[0] ?? "")).href)) as object);
}

/** Those of the catalogue, by which profiles and policies choose. */
async function catalogue(): Promise<string[]> {
  const isGroups = (one: unknown): one is Record<string, string[]> =>
    typeof one === "object" && one !== null && "group:openclaw" in one;
  const groups = (await exportsOf("tool-catalog")).find(isGroups);
  return Object.values(groups ?? {}).flat();
}

/** Those that a run is built of; some are in no catalogue. */
async function factories(): Promise<string[]> {
  const lists = (await exportsOf("core-tool-factory-descriptors"))
    .filter((one): one is () => unknown => typeof one === "function")
    .map((one) => one())
    .filter((one): one is { readonly name: string }[] => Array.isArray(one));
  return lists.flat().map(({ name }) => name);
}

/** Those of the plugins that come with the host. */
function bundled(): string[] {
  const extensions = path.join(DIST, "extensions");
  return readdirSync(extensions)
    .map((name) => path.join(extensions, name, "openclaw.plugin.json"))
    .filter((manifest) => existsSync(manifest))
    .flatMap((manifest) => {
      const { contracts } = JSON.parse(readFileSync(manifest, "utf8")) as {
        readonly contracts?: { readonly tools?: readonly string[] };
      };
      return contracts?.tools ?? [];
    });
}

it("judges every tool of the host's release", async () => {
  const sources = [await catalogue(), await factories(), bundled()];
  // Read from where the host's build puts them; nothing found would be nothing judged.
  expect(sources.map((names) => names.length > 10)).toEqual([true, true, true]);
  const left = new Set(Object.values(LEFT).flatMap((names) => names.split(" ")));
  const policy = { enabled: false, allowedCommands: [] };
  const isRefused = (toolName: string): boolean =>
    whyRefused({ toolName, params: {} }, policy, { platform: "linux" }) !== undefined;
  const known = [...new Set(sources.flat())];
  expect(known.filter((name) => !isRefused(name) && !left.has(name))).toEqual([]);
  expect([...left].filter((name) => isRefused(name) || !known.includes(name))).toEqual([]);
});
