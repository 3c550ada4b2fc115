/**
 * The operator's hands: what is open, what died, replaying and dropping.
 *
 * The owner of the journal also carries out what a command line in another process has asked for: it looks for such
 * requests at short intervals and writes down what came of them.
 */

import { errorText } from "../errors.ts";
import type { DeadLetter, DeadLetterWithBody, Journal, OpenCommand, OperatorAction } from "../journal/types.ts";
import type { Clock, Log } from "../replies/ports.ts";
import { createTroubleLog } from "../trouble-log.ts";

export interface Operator {
  inbox(after: number, limit: number): Promise<readonly OpenCommand[]>;
  deadLetters(before: number, limit: number): Promise<readonly DeadLetter[]>;
  deadLetter(id: number): Promise<DeadLetterWithBody | undefined>;
  /** Runs a dead command once more, or sends a dead reply once more. False when there is no such dead letter. */
  replay(id: number): Promise<boolean>;
  drop(id: number): Promise<boolean>;
}

export interface OperatorOptions {
  readonly journal: Journal;
  readonly clock: Clock;
  readonly log: Log;
  readonly onReopened: (command: OpenCommand) => void;
  readonly onDropped: () => void;
  /** Moves the read position of a topic. False when it is not read here, or the cursor is none. */
  readonly move: (topicId: string, cursor: string) => Promise<boolean>;
}

const LOOK_EVERY_MS = 1_000;

export function createOperator(options: OperatorOptions): Operator & { start(): void; stop(): void } {
  const { journal, clock, log } = options;
  let stopped = false;
  let cancel = (): void => {};
  const troubles = createTroubleLog({ log, clock });

  const replay = async (id: number): Promise<boolean> => {
    const command = await journal.replay(id, clock.now());
    if (command === undefined) return false;
    log.info(`[agentrux] Dead letter ${id} is replayed`);
    options.onReopened(command);
    return true;
  };

  const drop = async (id: number): Promise<boolean> => {
    const dropped = await journal.drop(id);
    if (dropped) {
      log.info(`[agentrux] Dead letter ${id} is dropped`);
      options.onDropped();
    }
    return dropped;
  };

  const carryOutOne = (wanted: OperatorAction): Promise<boolean> => {
    switch (wanted.action) {
      case "replay":
        return replay(wanted.deadLetter);
      case "drop":
        return drop(wanted.deadLetter);
      case "move":
        return options.move(wanted.topicId, wanted.cursor);
    }
  };

  const carryOut = async (): Promise<void> => {
    for (const request of await journal.openRequests()) {
      const found = await carryOutOne(request.wanted);
      await journal.answerRequest(request.id, found ? "done" : "not found", clock.now());
    }
  };

  const carryOutSafely = async (): Promise<void> => {
    try {
      await carryOut();
      troubles.over("requests", "[agentrux] Requests of the command line are carried out again");
    } catch (error) {
      const line = `[agentrux] Requests of the command line could not be carried out: ${errorText(error)}`;
      troubles.again("requests", line);
    }
  };

  const look = (): void => {
    cancel = clock.after(LOOK_EVERY_MS, () => {
      void carryOutSafely().finally(() => {
        if (!stopped) look();
      });
    });
  };

  return {
    inbox: (after, limit) => journal.openCommands(after, limit),
    deadLetters: (before, limit) => journal.deadLetters(before, limit),
    deadLetter: (id) => journal.deadLetter(id),
    replay,
    drop,
    start: look,
    stop() {
      stopped = true;
      cancel();
    },
  };
}
