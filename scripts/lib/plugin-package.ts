/** Owns packing the plugin, and knowing when that can be left out. */

import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { runCommand, runNode } from "./children.ts";

const REPOSITORY = path.join(import.meta.dirname, "..", "..");
const BUILD_TIMEOUT_MS = 180_000;
const PACK_TIMEOUT_MS = 120_000;
/** Everything the packed plugin is made of. */
const SOURCES = [
  "src",
  "wire/src",
  "skills",
  "scripts/build.ts",
  "openclaw.plugin.json",
  "package.json",
  "package-lock.json",
  "tsconfig.json",
  "README.md",
  "LICENSE",
];

/** A packed plugin. */
export interface PluginPackage {
  /** Hash of the sources it was packed from. */
  readonly sources: string;
  /** Path of the tarball. */
  readonly tarball: string;
  readonly sha256: string;
}

/** Builds and packs the plugin into `dir`, unless `last` is still what the sources would give. */
export async function packPlugin(dir: string, last: PluginPackage | undefined): Promise<PluginPackage> {
  const sources = hashSources();
  if (last?.sources === sources && hashFile(last.tarball) === last.sha256) return last;
  fs.rmSync(dir, { recursive: true, force: true });
  fs.mkdirSync(dir, { recursive: true, mode: 0o700 });
  await build("plugin");
  const pack = ["pack", "--json", "--pack-destination", dir];
  await expectSuccess("npm pack", runCommand("npm", pack, { ...inRepository, timeoutMs: PACK_TIMEOUT_MS }));
  const [name, ...others] = fs.readdirSync(dir).filter((file) => file.endsWith(".tgz"));
  if (name === undefined || others.length > 0) throw new Error(`"npm pack" left no single tarball in ${dir}`);
  const tarball = path.join(dir, name);
  return { sources, tarball, sha256: hashFile(tarball) ?? "" };
}

/** Builds one of the two packages. @throws with the end of its output when that fails */
export async function build(part: "plugin" | "hub"): Promise<void> {
  const args = ["scripts/build.ts", part];
  await expectSuccess("npm run build", runNode(args, { ...inRepository, timeoutMs: BUILD_TIMEOUT_MS }));
}

const inRepository = { cwd: REPOSITORY, env: process.env };

async function expectSuccess(what: string, running: ReturnType<typeof runNode>): Promise<void> {
  const { code, stdout, stderr, timedOut } = await running;
  if (code === 0) return;
  const tail = `${stdout}\n${stderr}`.trim().split("\n").slice(-15).join("\n");
  throw new Error(`"${what}" ${timedOut ? "did not end in time" : `ended with code ${code}`}:\n${tail}`);
}

function hashSources(): string {
  const hash = createHash("sha256");
  for (const source of SOURCES) {
    for (const file of filesBelow(path.join(REPOSITORY, source))) {
      hash
        .update(`${path.relative(REPOSITORY, file)}\0`)
        .update(fs.readFileSync(file))
        .update("\0");
    }
  }
  return hash.digest("hex");
}

function filesBelow(start: string): readonly string[] {
  const stat = fs.statSync(start, { throwIfNoEntry: false });
  if (stat === undefined) return [];
  if (stat.isFile()) return [start];
  const entries = fs.readdirSync(start, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name))
    .toSorted();
}

function hashFile(file: string): string | undefined {
  try {
    return createHash("sha256").update(fs.readFileSync(file)).digest("hex");
  } catch {
    return undefined;
  }
}
