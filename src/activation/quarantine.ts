/** Owns the quarantine: a bootstrap file that must not be tried again, kept private, with the reason beside it. */

import { randomBytes } from "node:crypto";
import { rename, writeFile } from "node:fs/promises";
import type { AccountPaths } from "../credentials/home.ts";
import { errnoOf, fileExists, PRIVATE_FILE_MODE, syncDirectory } from "../credentials/private-files.ts";
import { stampedNames } from "../credentials/stamp.ts";
import { errorText } from "../errors.ts";
import { failpoint } from "../failpoint.ts";
import type { Claim } from "./claim.ts";
import { blot, decodeText } from "./code.ts";

/** Why a file was set aside, in the sidecar's terms. */
export interface QuarantineReason {
  readonly reason: string;
  readonly httpStatus?: number;
  readonly errorCode?: string;
  readonly errorMessage?: string;
  /** The code that is dead now and is blotted out; absent while the file may hold a live one. */
  readonly spentCode?: string;
}

export interface Quarantined {
  readonly path: string;
  /** What did not work on the way, in one sentence; the file is set aside all the same. */
  readonly problem?: string;
}

/** Sets a claimed file aside as `BOOTSTRAP.md.failed-<stamp>` with its sidecar `.json`, both 0600. Ends the claim. */
export async function quarantine(
  paths: AccountPaths,
  claim: Claim,
  why: QuarantineReason,
  now: () => Date,
): Promise<Quarantined> {
  const at = now();
  const path = await setAside(paths, claim, why.spentCode, at);
  try {
    await writeFile(`${path}.json`, sidecar(why, at), { mode: PRIVATE_FILE_MODE, flush: true });
    await syncDirectory(paths.dir);
    failpoint("activation.quarantined");
    return { path };
  } catch (error) {
    return { path, problem: `the diagnostic file ${path}.json could not be written: ${errorText(error)}` };
  }
}

function sidecar(why: QuarantineReason, at: Date): string {
  const document = {
    reason: why.reason,
    http_status: why.httpStatus ?? null,
    error_code: why.errorCode ?? null,
    error_message: why.errorMessage ?? null,
    failed_at: at.toISOString(),
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

async function setAside(paths: AccountPaths, claim: Claim, spentCode: string | undefined, at: Date): Promise<string> {
  const names = stampedNames(`${paths.bootstrap}.failed-`, at, () => randomBytes(6).toString("hex"));
  for (const path of names) {
    if ((await fileExists(path)) || (await fileExists(`${path}.json`))) continue;
    if (claim.content.kind === "unusable") {
      await rename(claim.path, path);
      return path;
    }
    const { bytes } = claim.content;
    const kept = spentCode === undefined ? bytes : blot(decodeText(bytes), spentCode);
    try {
      await writeFile(path, kept, { mode: PRIVATE_FILE_MODE, flag: "wx", flush: true });
    } catch (error) {
      if (errnoOf(error) === "EEXIST") continue;
      // A full disk: moving needs no space. The code stays readable, but to its owner only.
      await rename(claim.path, path);
      return path;
    }
    failpoint("activation.quarantining");
    await claim.remove();
    return path;
  }
  return claim.path;
}
