/** A store in a folder, a server that does as it is told, and the attachments room between them. */

import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { rename, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { detectMime } from "openclaw/plugin-sdk/media-mime";
import { onTestFinished } from "vitest";
import { createInbound, type FetchAttachments, type InboundLimits } from "../../src/attachments/inbound.ts";
import type { MediaStore } from "../../src/attachments/media-store.ts";
import { systemClock } from "../../src/replies/ports.ts";
import type { Command, InboundAttachment, RequestedAttachment } from "../../src/replies/turn.ts";
import { createDownloads, type DownloadsOptions } from "../../src/service/download.ts";
import type { ObjectInfo } from "../../src/service/types.ts";
import { type Answerer, NEVER, type Peer, startPeer } from "../service/peer.ts";

/** A folder that is gone after the test. */
export function folder(): string {
  const dir = mkdtempSync(join(tmpdir(), "agentrux-files-"));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** A store with the promise of the host's: what fails leaves nothing behind. The host's own is met in the e2e tests. */
export function folderStore(dir: string): MediaStore & { readonly names: () => string[] } {
  let saved = 0;
  return {
    async save(bytes, name) {
      saved += 1;
      const draft = join(dir, `.draft-${saved}`);
      const path = join(dir, `${saved}-${name}`);
      await writeFile(draft, bytes);
      await rename(draft, path);
      return path;
    },
    detect: (head) => detectMime({ buffer: Buffer.from(head) }),
    sweep: () => Promise.resolve(0),
    names: () => readdirSync(dir).filter((name) => !name.startsWith(".draft")),
  };
}

export function command(attachments: readonly RequestedAttachment[]): Command {
  return {
    commandId: "c".repeat(32),
    topicId: "11111111-1111-4111-8111-111111111111",
    eventId: "evt",
    requestId: "req",
    conversationKey: "default",
    message: "look",
    attachments,
    eventType: "openclaw.request",
    hops: 0,
    traceId: "t",
  };
}

export interface Scene {
  readonly peer: Peer;
  readonly names: () => string[];
  readonly log: readonly string[];
  readonly asked: readonly string[];
  readonly fetch: FetchAttachments;
  /** Fetches one attachment. */
  readonly one: (wanted: RequestedAttachment, signal?: AbortSignal) => Promise<InboundAttachment>;
  /** What lies at a staged file's path. */
  readonly content: (attachment: InboundAttachment) => Buffer;
}

export interface SceneOptions extends DownloadsOptions {
  readonly files?: Partial<InboundLimits>;
  readonly info?: (objectId: string, peer: Peer) => ObjectInfo | Promise<ObjectInfo>;
  readonly store?: MediaStore;
}

/** A service at the peer's origin, whose objects lie at `/objects/<id>` there. */
export async function scene(answer: Answerer, options: SceneOptions = {}): Promise<Scene> {
  const peer = await startPeer(answer);
  const store = folderStore(folder());
  const downloads = createDownloads(peer.url, options);
  onTestFinished(async () => {
    await downloads.close();
    await peer.close();
  });
  const log: string[] = [];
  const asked: string[] = [];
  const say = (line: string): void => void log.push(line);
  const fetch = createInbound({
    client: {
      objectInfo: async ({ objectId }) => {
        asked.push(objectId);
        return await (options.info?.(objectId, peer) ?? { objectId, downloadUrl: `${peer.url}/objects/${objectId}` });
      },
    },
    downloads,
    store: options.store ?? store,
    clock: systemClock,
    random: () => 0,
    log: { info: say, warn: say, error: say },
    ...(options.files === undefined ? {} : { limits: options.files }),
  });
  return {
    peer,
    names: () => store.names(),
    log,
    asked,
    fetch,
    async one(wanted, signal = NEVER) {
      const [found] = await fetch(command([wanted]), 120_000, signal);
      if (found === undefined) throw new Error("nothing came back");
      return found;
    },
    content: ({ file }) => readFileSync(file?.path ?? ""),
  };
}

/** A picture of one pixel. */
export const PNG: Buffer = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==",
  "base64",
);
