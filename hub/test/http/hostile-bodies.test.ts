/** Bodies that are made to cost more than they weigh. */
import { connect } from "node:net";
import { once } from "node:events";
import { describe, expect, it, onTestFinished } from "vitest";
import { childHub } from "../support/child.ts";
import { tempFolder, testHub } from "../support/hub.ts";
import { event } from "../world/support/world.ts";

const HEAP_MIB = 96;
const PIECES = 800_000;

interface Conversation {
  /** Resolves when there is room for more. */
  send(text: string): Promise<void>;
  /** The status of the answer. */
  status(): Promise<string>;
}

async function converse(url: string, head: readonly string[]): Promise<Conversation> {
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  onTestFinished(() => void socket.destroy());
  const answered = new Promise<string>((resolve) => {
    socket.once("data", (data: Buffer) => resolve(data.toString().split(" ")[1] ?? ""));
    socket.once("close", () => resolve("the connection was closed"));
  });
  socket.on("error", () => undefined);
  await once(socket, "connect");
  socket.write(`${[...head, "Host: localhost"].join("\r\n")}\r\n\r\n`);
  return {
    async send(text) {
      if (!socket.write(text)) await Promise.race([once(socket, "drain"), answered]);
    },
    status: () => answered,
  };
}

describe("a body", () => {
  it("in pieces of a byte each costs what it weighs", { timeout: 60_000 }, async () => {
    const { url } = await childHub(await tempFolder(), [], [`--max-old-space-size=${HEAP_MIB}`]);
    const request = await converse(url, ["POST /api/events/batch HTTP/1.1", "Transfer-Encoding: chunked"]);
    const part = "1\r\n \r\n".repeat(10_000);
    for (let sent = 0; sent < PIECES; sent += 10_000) await request.send(part);
    const body = JSON.stringify({ events: [event("e", { n: 1 })] });
    await request.send(`${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`);
    expect(await request.status()).toBe("200");
  });

  it.each(["/api/events", "/api/events/batch", "/api/state/entities/delete"])(
    "is not waited for at %s when nothing in it could be allowed",
    async (path) => {
      const hub = await testHub({ flux: { auth: true } });
      const ask = (...headers: string[]) =>
        converse(hub.url, [`POST ${path} HTTP/1.1`, "Content-Length: 100", ...headers]);
      expect(await (await ask()).status()).toBe("401");
      expect(await (await ask("Authorization: Basic abc")).status()).toBe("401");
      expect(await (await ask("Authorization: Bearer of-nobody")).status()).toBe("403");
    },
  );
});
