/**
 * Owns what the configuration's file says, which may be ahead of what the host gives out.
 *
 * The host puts a change that stops or restarts a channel off until nothing is under way, for up to five minutes, and
 * gives the new configuration out only then (OpenClaw docs, gateway/configuration/config-rpc, "active-work deferrals").
 * With a backlog something is always under way, and an account that was switched off would go on meanwhile. So the file
 * is looked at once a second while somebody asks, and read again when it has changed.
 */

import { stat } from "node:fs/promises";
import { readConfigFileSnapshotForWrite } from "openclaw/plugin-sdk/config-mutation";
import type { HostConfig } from "../config/places.ts";

const LOOK_EVERY_MS = 1_000;

export interface Reading {
  /** The file, and those it includes. */
  readonly paths: readonly string[];
  /** Undefined where what stands there is not valid. */
  readonly config: HostConfig | undefined;
}

export interface ConfigFile {
  /**
   * What stood in the file when it was last looked at; undefined until then. A file that is not valid, or cannot be read
   * just now, changes nothing. The same object until something is different.
   */
  latest(): HostConfig | undefined;
}

async function readWithTheHost(): Promise<Reading> {
  const { snapshot } = await readConfigFileSnapshotForWrite({ skipPluginValidation: true, observe: false });
  const paths = [snapshot.path, ...(snapshot.includedPaths ?? [])];
  return { paths, config: snapshot.valid && snapshot.exists ? snapshot.sourceConfig : undefined };
}

async function stampOf(paths: readonly string[]): Promise<string> {
  const stamps = paths.map(async (path) => {
    const { ino, size, mtimeNs } = await stat(path, { bigint: true });
    return `${ino} ${size} ${mtimeNs}`;
  });
  return (await Promise.all(stamps)).join("\n");
}

/** @param monotonic Milliseconds on a clock that is never set. */
export function createConfigFile(
  read: () => Promise<Reading> = readWithTheHost,
  monotonic: () => number = () => performance.now(),
): ConfigFile {
  let latest: HostConfig | undefined;
  let paths: readonly string[] | undefined;
  let stamp = "";
  let lookedAt = -Infinity;
  let looking = false;

  const look = async (): Promise<void> => {
    // Taken before the reading: what is written in between is read the next time.
    const before = paths === undefined ? "" : await stampOf(paths);
    if (paths !== undefined && before === stamp) return;
    const reading = await read();
    stamp = paths === undefined ? "" : before;
    paths = reading.paths;
    latest = reading.config ?? latest;
  };

  return {
    latest() {
      if (!looking && monotonic() - lookedAt >= LOOK_EVERY_MS) {
        looking = true;
        lookedAt = monotonic();
        void look()
          // Being replaced, perhaps: the next look tells.
          .catch(() => undefined)
          .finally(() => {
            looking = false;
          });
      }
      return latest;
    },
  };
}
