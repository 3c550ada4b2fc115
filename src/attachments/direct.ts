/** Sends one file without a copy: read once for its checksum, once more to be sent, from the same open file. */

import { createHash } from "node:crypto";
import { AgentruxError } from "../errors.ts";
import { safeFileName } from "../guard/file-name.ts";
import { openAllowed } from "../guard/path.ts";
import type { UploadSource } from "../service/types.ts";
import { readHead } from "./content.ts";
import { type Attaching, HEAD_BYTES, OUTGOING_LIMITS, type OutgoingPolicy, UNKNOWN_TYPE } from "./outbound.ts";

export interface FileFacts {
  readonly name: string;
  readonly contentType: string;
  /** Bytes. */
  readonly size: number;
}

/**
 * Opens a file under the path guard for as long as `use` runs. A file that changes between the two readings does not
 * match its checksum, and the service refuses it.
 *
 * @throws AgentruxError `path_refused`, `file_unreadable`, `payload_too_large`; what `use` throws.
 */
export async function sendFile<T>(
  file: Attaching,
  policy: OutgoingPolicy,
  use: (source: UploadSource, facts: FileFacts) => Promise<T>,
): Promise<T & FileFacts> {
  const send = async (name: string, size: number, open: () => AsyncIterable<Uint8Array>): Promise<T & FileFacts> => {
    if (size > OUTGOING_LIMITS.fileBytes) {
      throw new AgentruxError("payload_too_large", `It is larger than ${OUTGOING_LIMITS.fileBytes} bytes`);
    }
    const sha256 = createHash("sha256");
    const headed = await readHead(open(), HEAD_BYTES);
    for await (const chunk of headed.all()) sha256.update(chunk);
    const safe = safeFileName(name);
    const contentType = file.contentType ?? (await policy.typeOf(headed.head, safe)) ?? UNKNOWN_TYPE;
    const facts = { name: safe, contentType, size };
    return { ...(await use({ size, sha256: sha256.digest(), stream: open }, facts)), ...facts };
  };

  if (file.text !== undefined) {
    const bytes = Buffer.from(file.text);
    return await send(file.reference, bytes.byteLength, async function* () {
      yield bytes;
    });
  }
  const { handle, name, size } = await openAllowed(file.reference, policy.rules());
  try {
    return await send(name, size, () => handle.createReadStream({ start: 0, autoClose: false }));
  } finally {
    await handle.close();
  }
}
