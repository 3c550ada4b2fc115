/**
 * Builds both packages from clean: `dist/` (the plugin) and `hub/dist/` (the hub).
 *
 * One output file per source file, unminified: hosts' scanners and people read what they install, and
 * files that read the environment must stay apart from files that use the network. The private wire workspace is
 * inlined into both. So is zod into the plugin, under `vendor/`, as the two dozen files of it that are used: whatever a
 * plugin depends on is copied twice by every `openclaw` command, and zod is installed as 840 files, a second of each
 * command. Every other package stays an import.
 */

import { spawnSync } from "node:child_process";
import { copyFileSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { rolldown } from "rolldown";

const root = path.resolve(import.meta.dirname, "..");

interface Target {
  readonly name: string;
  readonly sources: string;
  readonly entries: Readonly<Record<string, string>>;
  readonly out: string;
  /** Packages that become part of the output. */
  readonly vendored: readonly string[];
}

const targets: readonly Target[] = [
  {
    name: "plugin",
    sources: "src",
    entries: {
      index: "src/index.ts",
      "setup-entry": "src/setup-entry.ts",
      "secret-contract-api": "src/secret-contract-api.ts",
      "doctor-contract-api": "src/doctor-contract-api.ts",
      "journal/worker": "src/journal/worker.ts",
    },
    out: "dist",
    vendored: ["zod"],
  },
  {
    name: "hub",
    sources: "hub/src",
    entries: { index: "hub/src/index.ts", "cli/main": "hub/src/cli/main.ts" },
    out: "hub/dist",
    vendored: [],
  },
];

const isWire = (id: string) => id === "agentrux-wire" || id.includes(`${path.sep}wire${path.sep}src${path.sep}`);

async function bundle(target: Target): Promise<void> {
  const build = await rolldown({
    input: Object.fromEntries(Object.entries(target.entries).map(([name, file]) => [name, path.join(root, file)])),
    external: (id) => !id.startsWith(".") && !path.isAbsolute(id) && !isWire(id) && !target.vendored.includes(id),
    platform: "node",
    cwd: root,
  });
  try {
    await build.write({
      dir: path.join(root, target.out),
      format: "esm",
      preserveModules: true,
      preserveModulesRoot: path.join(root, target.sources),
      entryFileNames: ({ name }) =>
        `${name.replace(/^.*wire\/src\//, "wire/").replace(/^.*node_modules\//, "vendor/")}.js`,
      minify: false,
      // A fifth of the package otherwise; declarations keep theirs.
      comments: { jsdoc: false },
    });
  } finally {
    await build.close();
  }
  for (const name of target.vendored) {
    copyFileSync(
      path.join(root, "node_modules", name, "LICENSE"),
      path.join(root, target.out, "vendor", name, "LICENSE"),
    );
  }
}

/** Declarations: the compiler's own, with the wire package's name replaced by where its declarations lie. */
function declare(target: Target): void {
  const out = path.join(root, target.out);
  const args = ["--declaration", "--emitDeclarationOnly", "--noEmit", "false", "--rewriteRelativeImportExtensions"];
  for (const [sources, outDir] of [
    [target.sources, out],
    ["wire/src", path.join(out, "wire")],
  ] as const) {
    const config = path.join(root, `.tsconfig.${target.name}.tmp.json`);
    writeFileSync(
      config,
      JSON.stringify({
        extends: "./tsconfig.json",
        compilerOptions: { noEmit: false, rootDir: sources, outDir },
        include: [sources],
      }),
    );
    const tsc = path.join(root, "node_modules/typescript/bin/tsc");
    const done = spawnSync(process.execPath, [tsc, "-p", config, ...args], { cwd: root, encoding: "utf8" });
    rmSync(config, { force: true });
    if (done.status !== 0)
      throw new Error(`the declarations of ${target.name} do not compile:\n${done.stdout}${done.stderr}`);
  }
  for (const file of readdirSync(out, { recursive: true, encoding: "utf8" })) {
    if (!file.endsWith(".d.ts")) continue;
    const full = path.join(out, file);
    const depth = path.relative(path.dirname(full), path.join(out, "wire/index.js")).split(path.sep).join("/");
    const relative = depth.startsWith(".") ? depth : `./${depth}`;
    const text = readFileSync(full, "utf8");
    const rewritten = text
      .replaceAll('"agentrux-wire"', `"${relative}"`)
      .replaceAll(/(from "\.{1,2}\/[^"]+)\.ts"/g, '$1.js"');
    if (rewritten !== text) writeFileSync(full, rewritten);
  }
  removeUnreachable(out, path.join(out, "index.d.ts"));
}

/** Nobody outside can import what `entry` does not lead to: a third of the package otherwise. */
function removeUnreachable(out: string, entry: string): void {
  const reached = new Set<string>();
  const follow = (file: string): void => {
    if (reached.has(file)) return;
    reached.add(file);
    for (const [, target = ""] of readFileSync(file, "utf8").matchAll(/(?:from |import\()"(\.{1,2}\/[^"]+)\.js"/g)) {
      follow(path.join(path.dirname(file), `${target}.d.ts`));
    }
  };
  follow(entry);
  for (const file of readdirSync(out, { recursive: true, encoding: "utf8" })) {
    const full = path.join(out, file);
    if (file.endsWith(".d.ts") && !reached.has(full)) rmSync(full);
  }
}

const only = process.argv[2];
for (const target of targets.filter(({ name }) => only === undefined || name === only)) {
  rmSync(path.join(root, target.out), { recursive: true, force: true });
  await bundle(target);
  declare(target);
}
