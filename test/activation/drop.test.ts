import { mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { expect, it } from "vitest";
import { dropActivationCode, readActivationCode } from "../../src/activation/drop.ts";
import { activationCodeFromEnvironment } from "../../src/credentials/environment.ts";
import { modeOf, namesIn, temporaryAccount } from "../credentials/support.ts";
import { CODE_A, CODE_B } from "./support.ts";

it("reads a code from a file with notes around it, and drops it where the account looks, private and alone", async () => {
  const paths = await temporaryAccount("b");
  const file = path.join(path.dirname(paths.base), "code.txt");
  await writeFile(file, `# for the build machine\n${CODE_B}\n`);
  await dropActivationCode(paths, await readActivationCode(paths, file));
  expect(await readFile(paths.bootstrap, "utf8")).toBe(`${CODE_B}\n`);
  expect(await modeOf(paths.bootstrap)).toBe("600");
  expect(await modeOf(paths.dir)).toBe("700");
  expect(await namesIn(paths.dir)).toEqual(["BOOTSTRAP.md"]);
});

it("takes the environment's word for an empty code, too", () => {
  expect(activationCodeFromEnvironment({ AGENTRUX_ACTIVATION_CODE: CODE_A })).toBe(CODE_A);
  expect(activationCodeFromEnvironment({})).toBe("");
});

it.each([
  ["nothing in it", "just notes\n", /no activation code/],
  ["a cut-off code", "ac_short\n", /must look like 'ac_<43 chars>'/],
])("refuses a file with %s, and never quotes it", async (_what, text, said) => {
  const paths = await temporaryAccount();
  const file = path.join(path.dirname(paths.base), "code.txt");
  await writeFile(file, text);
  const refusal = await readActivationCode(paths, file).catch((error: unknown) => String(error));
  expect(refusal).toMatch(said);
  expect(refusal).not.toContain(text.trim());
});

it.each(["credentials", "bootstrap", "inflight"] as const)("refuses to put a code beside %s", async (name) => {
  const paths = await temporaryAccount();
  await mkdir(paths.dir, { recursive: true });
  await symlink("nowhere", paths[name]);
  const file = path.join(path.dirname(paths.base), "code.txt");
  await writeFile(file, CODE_A);
  await expect(readActivationCode(paths, file)).rejects.toThrow(/is already there/);
});

it("never writes over a code that appeared meanwhile, and leaves no draft behind", async () => {
  const paths = await temporaryAccount();
  await mkdir(paths.dir, { recursive: true });
  await writeFile(paths.bootstrap, "mine");
  await expect(dropActivationCode(paths, CODE_A)).rejects.toThrow(/cannot write/);
  expect(await readFile(paths.bootstrap, "utf8")).toBe("mine");
  expect(await namesIn(paths.dir)).toEqual(["BOOTSTRAP.md"]);
});
