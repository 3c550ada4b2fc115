/** Owns an account's attachments: the rooms for incoming and outgoing files, put together for one session. */

import { join } from "node:path";
import { createInbound } from "../attachments/inbound.ts";
import { type Attaching, createOutgoing } from "../attachments/outbound.ts";
import { withAttachments } from "../attachments/runner.ts";
import { createSpool } from "../attachments/spool.ts";
import type { AccountPaths } from "../credentials/home.ts";
import { AgentruxError } from "../errors.ts";
import type { PathRules } from "../guard/path.ts";
import { parseAddress } from "../intake/address.ts";
import type { FileCopies } from "../replies/channel.ts";
import type { ReplyFile, ReplyFiles } from "../replies/files.ts";
import type { Clock } from "../replies/ports.ts";
import type { TurnRunner } from "../replies/turn.ts";
import { createDownloads } from "../service/download.ts";
import type { ServiceClient } from "../service/types.ts";
import type { AccountOptions } from "./types.ts";

/** Copies outlive the age limit of replies by this: a reply among the dead letters may be replayed. */
const KEPT_LONGER_MS = 7 * 86_400_000;

export interface AccountAttachments {
  /** Turns that are given their files. */
  around(runner: TurnRunner): TurnRunner;
  readonly files: ReplyFiles | undefined;
  readonly copies: FileCopies;
  /** @throws AgentruxError as `RunningAccount.attach` does */
  attach(address: string, file: Attaching, rules?: PathRules): Promise<ReplyFile>;
  close(): Promise<void>;
}

type Options = Pick<AccountOptions, "config" | "log" | "media" | "outgoing"> & { readonly paths: AccountPaths };

export function openAttachments(
  options: Options,
  client: ServiceClient,
  baseUrl: string,
  clock: Clock,
): AccountAttachments {
  const { media, outgoing: policy, log, paths, config } = options;
  const downloads = createDownloads(baseUrl);
  const spool = createSpool(join(paths.dir, "outgoing"), () => clock.now());
  const keepMs = config.replyMaxAgeMs + KEPT_LONGER_MS;
  const outgoing = policy && createOutgoing({ spool, policy, log, keepMs });
  const fetch = media && createInbound({ client, downloads, store: media, clock, random: Math.random, log });
  return {
    around: (runner) =>
      withAttachments(runner, { ...(fetch === undefined ? {} : { fetch }), ...(outgoing ? { outgoing } : {}) }),
    files: outgoing,
    copies: spool,
    async attach(address, file, rules) {
      const commandId = parseAddress(address)?.commandId;
      if (outgoing === undefined || commandId === undefined) {
        throw new AgentruxError("invalid", "There is no reply to attach a file to");
      }
      return await outgoing.add(commandId, file, rules);
    },
    close: () => downloads.close(),
  };
}
