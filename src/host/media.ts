/** The host's media store, as the attachments room wants it: incoming files, streamed, typed by their bytes, expiring. */

import { join } from "node:path";
import { detectMime } from "openclaw/plugin-sdk/media-mime";
import { saveMediaStream } from "openclaw/plugin-sdk/media-store";
import type { MediaStore } from "../attachments/media-store.ts";
import { createSweep, STAGED_PREFIX } from "../attachments/staging.ts";
import { getRuntime } from "./runtime.ts";

/** Where the host looks for incoming files: it names them to the model and brings them into a sandbox from there. */
const FOLDER = "inbound";

export function createMediaStore(): MediaStore {
  const folder = join(getRuntime().state.resolveStateDir(), "media", FOLDER);
  return {
    async save(bytes, name, contentType) {
      // The attachments room counts and limits the bytes itself.
      const { path } = await saveMediaStream(bytes, contentType, FOLDER, Number.MAX_SAFE_INTEGER, STAGED_PREFIX + name);
      return path;
    },
    detect: (head) => detectMime({ buffer: Buffer.from(head) }),
    sweep: createSweep(folder, () => Date.now()),
  };
}
