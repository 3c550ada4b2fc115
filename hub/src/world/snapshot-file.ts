/**
 * Owns the format of a snapshot: a line of JSON that says what it is, a line of tab-separated fields for each record, and a
 * last line with the SHA-256 of everything before. A file without that last line, or with another sum, is none.
 *
 * Records are written from references taken at one moment and read into strings of their own; a slice of a larger buffer
 * would keep the whole of it alive.
 */
import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { z } from "zod";
import { Entity } from "./entity.ts";

const FORMAT = "agentrux-world";
const RECORDS_PER_WRITE = 1000;
const READ_BYTES = 1024 * 1024;
const TAB = 0x09;
const LINE_FEED = 0x0a;

const headSchema = z.object({
  format: z.literal(FORMAT),
  version: z.literal(1),
  logId: z.string(),
  seq: z.number().int().nonnegative(),
  eventId: z.string().optional(),
  at: z.number().int().nonnegative(),
  forgottenThrough: z.number().int().nonnegative(),
  records: z.number().int().nonnegative(),
});

/** Of which log, and of which moment. */
export interface SnapshotHead {
  readonly logId: string;
  /** Sequence number of the last event in it. */
  readonly seq: number;
  /** Its id; absent in snapshots of earlier versions. */
  readonly eventId?: string | undefined;
  /** Its instant, epoch microseconds. */
  readonly at: number;
  readonly forgottenThrough: number;
}

/** A world at one moment. */
export interface Snapshot extends SnapshotHead {
  readonly records: readonly Entity[];
}

/**
 * Writes a snapshot and syncs it to disk.
 * @param signal ends it early, with the signal's reason
 */
export async function writeSnapshot(path: string, snapshot: Snapshot, signal: AbortSignal): Promise<void> {
  const { records, ...head } = snapshot;
  const file = await open(path, "w", 0o600);
  const sum = createHash("sha256");
  const write = async (text: string): Promise<void> => {
    signal.throwIfAborted();
    const bytes = Buffer.from(text);
    sum.update(bytes);
    await file.writeFile(bytes);
  };
  try {
    await write(`${JSON.stringify({ format: FORMAT, version: 1, ...head, records: records.length })}\n`);
    for (let at = 0; at < records.length; at += RECORDS_PER_WRITE) {
      await write(
        records
          .slice(at, at + RECORDS_PER_WRITE)
          .map((record) => lineOf(record))
          .join(""),
      );
    }
    await file.writeFile(`sha256 ${sum.digest("hex")}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
}

/**
 * @param signal ends it early, with the signal's reason
 * @returns undefined when the file is not whole, or no snapshot at all
 */
export async function readSnapshot(path: string, signal: AbortSignal): Promise<Snapshot | undefined> {
  const records: Entity[] = [];
  const head = await readWhole(path, signal, (bytes, start, end) => void records.push(recordOf(bytes, start, end)));
  return head === undefined ? undefined : { ...head, records };
}

/** As {@link readSnapshot}, for those who only want to know whether it is whole and of what. */
export async function checkSnapshot(path: string, signal: AbortSignal): Promise<SnapshotHead | undefined> {
  return readWhole(path, signal, () => undefined);
}

type TakeRecord = (bytes: Buffer, start: number, end: number) => void;

async function readWhole(path: string, signal: AbortSignal, take: TakeRecord): Promise<SnapshotHead | undefined> {
  const file = await open(path, "r");
  try {
    return await read(file, signal, take);
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof z.ZodError || error instanceof RangeError) return undefined;
    throw error;
  } finally {
    await file.close();
  }
}

async function read(file: FileHandle, signal: AbortSignal, take: TakeRecord): Promise<SnapshotHead | undefined> {
  const sum = createHash("sha256");
  let taken = 0;
  let head: z.infer<typeof headSchema> | undefined;
  let rest: Buffer = Buffer.alloc(0);
  for (;;) {
    signal.throwIfAborted();
    const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(READ_BYTES), 0, READ_BYTES);
    if (bytesRead === 0) return undefined;
    const bytes = Buffer.concat([rest, buffer.subarray(0, bytesRead)]);
    let start = 0;
    for (let end = bytes.indexOf(LINE_FEED); end >= 0; end = bytes.indexOf(LINE_FEED, start)) {
      if (head === undefined) head = headSchema.parse(JSON.parse(bytes.toString("utf8", start, end)));
      else if (taken < head.records) {
        take(bytes, start, end);
        taken += 1;
      } else {
        sum.update(bytes.subarray(0, start));
        const isWhole = bytes.toString("latin1", start, end) === `sha256 ${sum.digest("hex")}`;
        return isWhole ? head : undefined;
      }
      start = end + 1;
    }
    sum.update(bytes.subarray(0, start));
    rest = bytes.subarray(start);
  }
}

function lineOf({ id, properties, version, newest, born, at, expiresAt }: Entity): string {
  return `${version}\t${newest}\t${born}\t${at}\t${expiresAt}\t${JSON.stringify(id)}\t${properties ?? ""}\n`;
}

/** @throws SyntaxError, RangeError when the line is damaged */
function recordOf(bytes: Buffer, start: number, end: number): Entity {
  let at = start;
  const field = (): string => {
    const tab = bytes.indexOf(TAB, at);
    if (tab < 0 || tab > end) throw new RangeError("a record has too few fields");
    const text = bytes.toString("utf8", at, tab);
    at = tab + 1;
    return text;
  };
  const [version, newest, born, changedAt, expiresAt] = [field(), field(), field(), field(), field()].map(Number);
  const id: unknown = JSON.parse(field());
  if (typeof id !== "string") throw new SyntaxError("an id is no text");
  const properties = at === end ? undefined : bytes.toString("utf8", at, end);
  return new Entity({
    id,
    properties,
    version: version ?? 0,
    newest: newest ?? 0,
    born: born ?? 0,
    at: changedAt ?? 0,
    expiresAt: expiresAt ?? 0,
  });
}
