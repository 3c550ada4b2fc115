/**
 * Checks what `npm pack` would publish: built JavaScript with its types, manifest, skills, README; nothing else; small;
 * and a package.json that can be installed. Hosts up to 2026.9.5 look up its devDependencies too, so the wire workspace,
 * which no registry has, must not be among them: npm links it without being told.
 */

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";

const PACKED_MAX_BYTES = 300 * 1024;
const ALLOWED =
  /^(dist\/.+\.(js|d\.ts)|dist\/vendor\/.+\/LICENSE|skills\/.+|openclaw\.plugin\.json|package\.json|README\.md|LICENSE)$/;
const REQUIRED = [
  "dist/index.js",
  "dist/index.d.ts",
  "dist/setup-entry.js",
  "dist/secret-contract-api.js",
  "dist/doctor-contract-api.js",
  "dist/journal/worker.js",
  "dist/vendor/zod/LICENSE",
  "openclaw.plugin.json",
  "skills/flux/SKILL.md",
  "skills/flux/references/api.md",
  "skills/flux/scripts/flux.sh",
  "skills/flux/scripts/lib/hints.mjs",
  "skills/flux/scripts/lib/http.sh",
  "skills/flux/scripts/lib/json.py",
  "skills/flux/scripts/lib/json.sh",
  "skills/flux/scripts/lib/watch.sh",
];

interface Packed {
  readonly size: number;
  readonly files: readonly { readonly path: string }[];
}

const root = path.resolve(import.meta.dirname, "..");
const done = spawnSync("npm", ["pack", "--dry-run", "--json"], { cwd: root, encoding: "utf8", timeout: 120_000 });
const reported = JSON.parse(done.stdout) as readonly Packed[] | Readonly<Record<string, Packed>>;
const packed = Object.values(reported)[0] as Packed;
const names = packed.files.map((file) => file.path);

const manifest = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8")) as Record<
  string,
  object | undefined
>;
const wanted = ["dependencies", "devDependencies", "peerDependencies"].flatMap((key) =>
  Object.keys(manifest[key] ?? {}),
);

const faults = [
  ...wanted.filter((name) => name === "agentrux-wire").map((name) => `${name} is in no registry`),
  ...names.filter((name) => !ALLOWED.test(name)).map((name) => `${name} must not be published`),
  ...REQUIRED.filter((name) => !names.includes(name)).map((name) => `${name} is missing`),
  ...(packed.size > PACKED_MAX_BYTES ? [`${packed.size} bytes packed; at most ${PACKED_MAX_BYTES}`] : []),
];
console.log(`${names.length} files, ${packed.size} bytes packed`);
for (const fault of faults) console.log(fault);
process.exit(faults.length > 0 ? 1 : 0);
