/** Reading an event stream over a real socket, byte for byte. */
import { get } from "node:http";
import type { IncomingMessage } from "node:http";
import { onTestFinished } from "vitest";

export interface OpenStream {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  /** The next complete frame, without the empty line that ends it; undefined when the stream has ended. */
  next(): Promise<string | undefined>;
  /** Everything received so far, as it came. */
  readonly received: () => string;
  /** Whether the stream ended as an answer ends, and was not torn off. */
  readonly endedCleanly: () => boolean;
  close(): void;
}

export function openStream(url: string, token: string, headers: Record<string, string> = {}): Promise<OpenStream> {
  return new Promise((resolve, reject) => {
    const request = get(
      url,
      { headers: { Accept: "text/event-stream", Authorization: `Bearer ${token}`, ...headers } },
      (response) => resolve(readerOf(response)),
    );
    request.once("error", reject);
    onTestFinished(() => void request.destroy());
  });
}

function readerOf(response: IncomingMessage): OpenStream {
  let pending = "";
  let all = "";
  let ended = false;
  let wake: () => void = () => undefined;
  response.setEncoding("utf8");
  response.on("data", (chunk: string) => {
    pending += chunk;
    all += chunk;
    wake();
  });
  const finish = () => {
    ended = true;
    wake();
  };
  response.on("end", finish);
  response.on("error", finish);
  response.on("close", finish);
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    received: () => all,
    endedCleanly: () => response.complete,
    close: () => void response.destroy(),
    async next() {
      for (;;) {
        const end = pending.indexOf("\n\n");
        if (end !== -1) {
          const frame = pending.slice(0, end);
          pending = pending.slice(end + 2);
          return frame;
        }
        if (ended) return undefined;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}

/** The data of a frame, parsed. */
export function dataOf(frame: string | undefined): Record<string, unknown> {
  const line = frame?.split("\n").find((text) => text.startsWith("data: "));
  if (line === undefined) throw new Error(`no data line in ${JSON.stringify(frame)}`);
  return JSON.parse(line.slice(6)) as Record<string, unknown>;
}
