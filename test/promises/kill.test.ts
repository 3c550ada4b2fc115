/** Real processes, real files, real kill -9 at moments nobody chose: every command has exactly one reply. */

import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import type { TopicEvent } from "../../src/service/types.ts";
import { tempDir } from "../journal/support.ts";
import type { FromService, ToService } from "./fixtures/gateway.ts";

const KILLS = Number(process.env["KILLS"] ?? 10);
const COMMANDS = KILLS * 20;
const CONVERSATIONS = 7;
const GATEWAY = fileURLToPath(new URL("./fixtures/gateway.ts", import.meta.url));

const commands: readonly TopicEvent[] = Array.from({ length: COMMANDS }, (_, n) => ({
  topicId: "t",
  eventId: `evt_${n}`,
  cursor: String(n + 1),
  type: "openclaw.request",
  producer: `scr_${n % 2}`,
  payload: { message: `m${n}`, request_id: `r${n}`, conversation_key: `c${n % CONVERSATIONS}` },
}));

/** The service, as far as it concerns this test: two topics, and whether it knows a repeated key. */
class Service {
  readonly stored: { replyId: string; payload: Record<string, unknown> }[] = [];
  readonly turns: { eventId: string; attempt: number }[] = [];
  published = 0;
  readonly #recognisesRepeats: boolean;

  constructor(recognisesRepeats: boolean) {
    this.#recognisesRepeats = recognisesRepeats;
  }

  serve(child: ChildProcess): void {
    child.on("message", (message: ToService) => {
      if (message.kind === "owner" || message.kind === "standby") return;
      if (message.kind === "turn") {
        this.turns.push({ eventId: message.eventId, attempt: message.attempt });
        return;
      }
      const answer = this.#answer(message);
      // Some answers take a moment, so that a kill can come between the deed and its being known.
      setTimeout(() => child.connected && child.send(answer), Math.random() * 5);
    });
  }

  #answer(message: Extract<ToService, { ask: number }>): FromService {
    const { ask } = message;
    if (message.kind === "pull") return { ask, events: commands.slice(message.after, message.after + 25) };
    const known = this.stored.some(({ replyId }) => replyId === message.replyId);
    if (message.kind === "find") return { ask, found: known };
    this.published += 1;
    if (!known || !this.#recognisesRepeats) this.stored.push({ replyId: message.replyId, payload: message.payload });
    return { ask };
  }
}

let dir: ReturnType<typeof tempDir>;
let child: ChildProcess | undefined;

afterEach(() => {
  child?.kill("SIGKILL");
  dir.remove();
});

async function start(generation: string, service: Service): Promise<ChildProcess> {
  child = fork(GATEWAY, [dir.path, generation], { execArgv: [], stdio: ["ignore", "ignore", "inherit", "ipc"] });
  service.serve(child);
  await once(child, "message");
  return child;
}

describe("kill -9", () => {
  it.each([
    ["b", "recognises a repeated key"],
    ["a", "does not"],
  ])(
    `loses nothing and doubles nothing in ${KILLS} kills (generation %s, a server that %s)`,
    async (generation) => {
      dir = tempDir();
      const service = new Service(generation === "b");
      for (let kill = 0; kill < KILLS; kill += 1) {
        const gateway = await start(generation, service);
        await sleep(Math.random() * 120);
        gateway.kill("SIGKILL");
        await once(gateway, "exit");
      }
      const interrupted = service.turns.length;
      await start(generation, service);
      await expect
        .poll(() => new Set(service.stored.map(({ replyId }) => replyId)).size, { timeout: 60_000 })
        .toBe(COMMANDS);
      await sleep(500);

      const replies = service.stored.map(
        ({ payload }) => `${String(payload["request_id"])} ${String(payload["message"])}`,
      );
      expect(replies.toSorted()).toEqual(commands.map((_, n) => `r${n} echo m${n}`).toSorted());
      expect(service.stored.every(({ payload }) => payload["status"] === "completed")).toBe(true);
      checkOrder(service);
      // Not vacuous: the kills hit work in progress.
      expect(interrupted).toBeGreaterThan(0);
      expect(service.turns.length).toBeGreaterThan(COMMANDS);
    },
    180_000,
  );
});

/** In each conversation a command first runs after all earlier ones first ran. */
function checkOrder(service: Service): void {
  const latest = new Map<number, number>();
  for (const { eventId } of service.turns) {
    const n = Number(eventId.slice(4));
    // Two producers share each conversation key, which makes two conversations.
    const lane = (n % CONVERSATIONS) * 2 + (n % 2);
    expect(n).toBeGreaterThanOrEqual(latest.get(lane) ?? -1);
    latest.set(lane, n);
  }
}
