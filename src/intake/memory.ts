/** Owns the words in which the journal remembers where the last page of a topic ended, and with which event. Pure. */

import type { Generation } from "../service/types.ts";
import type { Remembered } from "./start-position.ts";
import type { AdmittedPage } from "./types.ts";

/** Undefined where no generation is known: such a position would mean nothing later. */
export function memoryOf(generation: Generation | undefined, page: AdmittedPage): string | undefined {
  if (generation === undefined) return undefined;
  const { eventId, sequence, storedAt } = page.events.at(-1) ?? {};
  return JSON.stringify({ generation, cursor: page.position, eventId, sequence, storedAt });
}

/** Undefined for what {@link memoryOf} has not written. */
export function readMemory(text: string): Remembered | undefined {
  try {
    const { generation, cursor, ...mark } = JSON.parse(text) as Remembered;
    return (generation === "a" || generation === "b") && typeof cursor === "string"
      ? { generation, cursor, ...mark }
      : undefined;
  } catch {
    return undefined;
  }
}
