/** Back-pressure: lets a caller wait until there is room again. */

import { AgentruxError } from "../errors.ts";

export interface Room {
  /** Resolves when there is room. Rejects with `aborted`, or `stopped` once closed. */
  wait(signal: AbortSignal): Promise<void>;
  /** Something has left: those who wait may look again. */
  changed(): void;
  close(): void;
}

export function createRoom(hasRoom: () => boolean): Room {
  const waiting = new Set<() => void>();
  let closed = false;

  const changed = (): void => {
    if (waiting.size === 0 || !(closed || hasRoom())) return;
    const all = [...waiting];
    waiting.clear();
    for (const look of all) look();
  };

  return {
    async wait(signal) {
      const mustWait = (): boolean => !closed && !signal.aborted && !hasRoom();
      while (mustWait()) {
        await new Promise<void>((resolve) => {
          const look = (): void => {
            waiting.delete(look);
            signal.removeEventListener("abort", look);
            resolve();
          };
          waiting.add(look);
          signal.addEventListener("abort", look, { once: true });
        });
      }
      if (closed) throw new AgentruxError("stopped", "The delivery has stopped.");
      if (signal.aborted) throw new AgentruxError("aborted", "Stopped waiting for room in the journal.");
    },
    changed,
    close() {
      closed = true;
      changed();
    },
  };
}
