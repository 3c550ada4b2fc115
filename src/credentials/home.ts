/** Owns where an account keeps its files. With this folder, the only place that reads the environment and the home directory. */

import { homedir } from "node:os";
import { isAbsolute, join, resolve } from "node:path";
import { AgentruxError } from "../errors.ts";

/** The environment variables that decide the home directory. */
export interface HomeEnvironment {
  readonly HOME?: string | undefined;
  readonly USERPROFILE?: string | undefined;
}

/** Where one account keeps its files, all absolute. */
export interface AccountPaths {
  readonly accountId: string;
  /** `~/.agentrux`, shared by all accounts. */
  readonly base: string;
  /** The account's own folder: `base` itself for `default`, otherwise `base/accounts/<id>`. */
  readonly dir: string;
  readonly credentials: string;
  /** The file a person drops an activation code into. */
  readonly bootstrap: string;
  /** The claimed `BOOTSTRAP.md` while its code is being redeemed. */
  readonly inflight: string;
  readonly waterline: string;
  readonly journal: string;
  /** The command line's own access token. */
  readonly cliToken: string;
  /** One line that tells the Flux skill's script which hub the account is configured for. */
  readonly fluxUrl: string;
  /** Why the presence could not be published last. */
  readonly worldProblem: string;
}

const DEFAULT_ACCOUNT_ID = "default";
// Lower case only: two ids that differ in case would share a folder on a case-insensitive disk.
const ACCOUNT_ID_PATTERN = /^[a-z0-9][a-z0-9_-]{0,63}$/;
const ACCOUNT_ID_RULE =
  "an account id must be 1 to 64 characters of a-z, 0-9, _ and -, beginning with a letter or digit";

/** Why `accountId` cannot name a folder, or undefined when it can. */
export function accountIdProblem(accountId: string): string | undefined {
  return ACCOUNT_ID_PATTERN.test(accountId) ? undefined : ACCOUNT_ID_RULE;
}

/**
 * The base directory `<home>/.agentrux`: HOME, else USERPROFILE, else what the operating system says.
 *
 * A value that is not an absolute path counts as absent, so that neither a literal `~` nor the working directory is
 * ever taken for a home.
 *
 * @throws AgentruxError `config` where there is no home directory.
 */
export function baseDirectory(environment: HomeEnvironment = process.env, systemHome: () => string = homedir): string {
  const home = [environment.HOME, environment.USERPROFILE, orNone(systemHome)].find(isUsable);
  if (home === undefined) {
    throw new AgentruxError(
      "config",
      "no home directory: set HOME (or USERPROFILE) to an absolute path, so that ~/.agentrux has a place",
    );
  }
  return join(home, ".agentrux");
}

/**
 * The host's configuration file where it was told to lie outside the host's state; undefined where it was not. Hosts before
 * 2026.9.6 do not say it to plugins.
 *
 * @param home what `~` stands for to the host.
 */
export function hostConfigElsewhere(
  home: string,
  environment: { readonly OPENCLAW_CONFIG_PATH?: string | undefined } = process.env,
): string | undefined {
  const told = environment.OPENCLAW_CONFIG_PATH?.trim();
  if (told === undefined || told === "") return undefined;
  return /^~(?=$|[\\/])/.test(told) ? join(home, told.slice(1)) : resolve(told);
}

/**
 * The paths of one account.
 *
 * @throws AgentruxError `config` where the id is not a safe folder name.
 * @example accountPaths("default", "/home/ada/.agentrux").credentials // "/home/ada/.agentrux/credentials.json"
 */
export function accountPaths(accountId: string, base: string = baseDirectory()): AccountPaths {
  const problem = accountIdProblem(accountId);
  if (problem !== undefined) throw new AgentruxError("config", problem);
  const dir = accountId === DEFAULT_ACCOUNT_ID ? base : join(base, "accounts", accountId);
  return {
    accountId,
    base,
    dir,
    credentials: join(dir, "credentials.json"),
    bootstrap: join(dir, "BOOTSTRAP.md"),
    inflight: join(dir, "BOOTSTRAP.md.inflight"),
    waterline: join(dir, "waterline.json"),
    journal: join(dir, "journal.sqlite"),
    cliToken: join(dir, "cli-token.json"),
    fluxUrl: join(dir, "flux-url"),
    worldProblem: join(dir, "world-problem.json"),
  };
}

function isUsable(home: string | undefined): home is string {
  return home !== undefined && isAbsolute(home);
}

/** `os.homedir()` throws where the user has no entry and HOME is unset (containers with a bare uid). */
function orNone(systemHome: () => string): string | undefined {
  try {
    return systemHome();
  } catch {
    return undefined;
  }
}
