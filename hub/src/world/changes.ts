/**
 * Owns reading what has changed since an event, oldest change first, a piece at a time:
 *
 *   seeking -> reading   from the newest record back to the first that is no newer than the event
 *   reading              from there on, whatever comes next
 *
 * The world goes on between two pieces. A record that changes goes to the end of the order and is met there, as it is then;
 * so whoever has come to the end knows the state that is.
 */
import type { Entity } from "./entity.ts";
import type { Place, Recency } from "./recency.ts";

interface Track extends Place {
  readonly list: Recency;
  isSeeking: boolean;
}

export class Changes {
  readonly since: number;
  readonly #lists: readonly Recency[];
  #tracks: readonly Track[] | undefined;
  #through: number;

  /** @param lists which are read as one */
  constructor(lists: readonly Recency[], since: number) {
    this.#lists = lists;
    this.since = since;
    this.#through = since;
  }

  /** Every change up to this event was met, as far as a later one has not taken its place. */
  get through(): number {
    return this.#through;
  }

  /**
   * Goes on, over `limit` records at most.
   * @param visit called with each record that has changed; tells whether to go on
   * @returns whether nothing further has changed
   */
  read(limit: number, visit: (record: Entity) => boolean): boolean {
    const tracks = (this.#tracks ??= this.#lists.map((list) => ({ list, at: list.newest, isSeeking: true })));
    for (const track of tracks) track.list.release(track);
    let left = limit;
    for (const track of tracks) left = this.#seek(track, left);
    for (let goesOn = true; goesOn && left > 0; left -= 1) {
      const track = earliest(tracks);
      const record = track === undefined ? undefined : nextOf(track);
      if (track === undefined || record === undefined) break;
      track.at = record;
      this.#through = record.version;
      goesOn = visit(record);
    }
    for (const track of tracks) track.list.hold(track);
    return tracks.every((track) => !track.isSeeking && nextOf(track) === undefined);
  }

  /** Lets go of its places. */
  close(): void {
    for (const track of this.#tracks ?? []) track.list.release(track);
    this.#tracks = undefined;
  }

  #seek(track: Track, limit: number): number {
    let left = limit;
    while (track.isSeeking && left > 0) {
      if (track.at === undefined || track.at.version <= this.since) track.isSeeking = false;
      else {
        track.at = track.at.older;
        left -= 1;
      }
    }
    return left;
  }
}

function nextOf({ list, at }: Track): Entity | undefined {
  return at === undefined ? list.oldest : at.newer;
}

function earliest(tracks: readonly Track[]): Track | undefined {
  let found: Track | undefined;
  let version = Infinity;
  for (const track of tracks) {
    const next = nextOf(track);
    if (next === undefined || next.version >= version) continue;
    found = track;
    version = next.version;
  }
  return found;
}
