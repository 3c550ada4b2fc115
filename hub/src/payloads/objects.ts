/**
 * Owns the life of a payload object:
 *
 *     pending -- its bytes arrive and are checked --> uploaded -- a published event names it --> committed
 *
 * Generation A's objects can be read once uploaded, because its events may name objects in ways the hub does not know;
 * generation B's once committed. Each event that names an object commits it anew: it goes when the topic's retention,
 * whatever that is by then, has passed since the newest of them. What is never committed goes when the retention has
 * passed since it was announced (generation A), or after a day (generation B).
 *
 * The record goes first, in one step that looks at the state: an event published at the same moment either finds the
 * object and keeps it, or is refused. Bytes without a record, as a crash after that leaves, go at the next start.
 */
import type { Readable } from "node:stream";
import type { HubDeps } from "../deps.ts";
import { HubError } from "../errors.ts";
import { uuidV4 } from "../ids.ts";
import type { Generation, PayloadObject, Topic } from "../store/port.ts";
import type { ObjectFiles, ReceivedFile } from "./files.ts";

const SWEEP_BATCH = 200;

export interface NewObject {
  readonly topic: Topic;
  readonly producer: string;
  readonly generation: Generation;
  readonly contentType: string | null;
  readonly filename: string | null;
  readonly sizeBytes: number;
  /** Hex, lower case. */
  readonly sha256: string | null;
}

/** Whether readers may have the object now. */
export function isReadable(object: PayloadObject): boolean {
  return object.state === "committed" || (object.state === "uploaded" && object.generation === "a");
}

type ObjectDeps = Pick<HubDeps, "store" | "clock" | "random" | "config">;

export class PayloadObjects {
  readonly #deps: ObjectDeps;
  readonly #files: ObjectFiles;
  /** The end of the last placement per object, while there is one. */
  readonly #placing = new Map<string, Promise<void>>();

  constructor(deps: ObjectDeps, files: ObjectFiles) {
    this.#deps = deps;
    this.#files = files;
  }

  /** @throws HubError PAYLOAD_TOO_LARGE when the announced size is over the hub's limit */
  async create(object: NewObject): Promise<PayloadObject> {
    const { config, clock, random, store } = this.#deps;
    if (object.sizeBytes > config.limits.maxObjectBytes) {
      throw new HubError("PAYLOAD_TOO_LARGE", `A payload object may have ${config.limits.maxObjectBytes} bytes`, {
        details: { limit_bytes: config.limits.maxObjectBytes },
      });
    }
    const { topic, ...announced } = object;
    return store.objects.create({
      ...announced,
      id: uuidV4(random),
      topicId: topic.id,
      state: "pending",
      createdAt: clock.now(),
    });
  }

  /**
   * Takes the bytes of an object. Sending the same bytes again succeeds, whatever became of the object meanwhile.
   * @throws HubError as `ObjectFiles.receive`; CONFLICT when other bytes are there already
   */
  async upload(object: PayloadObject, source: Readable, moved: () => void): Promise<void> {
    const received = await this.#files.receive(source, object, moved);
    try {
      await this.#exclusively(object.id, () => this.#settle(object.id, received));
    } finally {
      await this.#files.discard(received);
    }
  }

  async #settle(objectId: string, received: ReceivedFile): Promise<void> {
    const object = await this.#deps.store.objects.get(objectId);
    if (object === undefined) throw new HubError("NOT_FOUND", "The payload object has expired");
    if (object.state === "pending") {
      await this.#files.place(received, objectId);
      await this.#deps.store.objects.markUploaded(objectId);
    } else if ((await this.#files.digest(objectId)) !== received.sha256) {
      throw new HubError("CONFLICT", "The payload object was uploaded before, with other content");
    }
  }

  /** Removes what has expired. @returns how many objects went */
  async sweep(signal: AbortSignal): Promise<number> {
    const { store, clock, config } = this.#deps;
    let removed = 0;
    for (;;) {
      const now = clock.now();
      const ids = await store.objects.removeExpired(now, now - config.ttls.unreferencedObjectMs, SWEEP_BATCH);
      for (const id of ids) await this.#files.remove(id);
      removed += ids.length;
      if (ids.length < SWEEP_BATCH || signal.aborted) return removed;
    }
  }

  /** Removes bytes that have no record. @returns how many files went */
  async removeOrphans(signal: AbortSignal): Promise<number> {
    let removed = 0;
    for await (const id of this.#files.ids()) {
      if (signal.aborted) break;
      if ((await this.#deps.store.objects.get(id)) !== undefined) continue;
      await this.#files.remove(id);
      removed += 1;
    }
    return removed;
  }

  /** Runs `work` after whatever else is under way for the same object. */
  async #exclusively(objectId: string, work: () => Promise<void>): Promise<void> {
    const before = this.#placing.get(objectId) ?? Promise.resolve();
    const run = before.then(work);
    const settled = run.catch(() => undefined);
    this.#placing.set(objectId, settled);
    try {
      await run;
    } finally {
      if (this.#placing.get(objectId) === settled) this.#placing.delete(objectId);
    }
  }
}
