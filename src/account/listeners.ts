/**
 * Owns the reading of an account's listening topics, beside its command topic and through the same journal. Trouble with
 * one of them is that topic's own: it is told in the log and in the numbers, and the account goes on.
 */

import type { MessagingTopic } from "../config/account.ts";
import { errorText } from "../errors.ts";
import { type Intake, type IntakeOptions, startIntake } from "../intake/intake.ts";
import type { AccountLog } from "./types.ts";

export interface ListenerOptions extends Omit<IntakeOptions, "topicId" | "onTrouble" | "onHealthy" | "excludeSelf"> {
  readonly topics: readonly MessagingTopic[];
  readonly log: AccountLog;
}

export interface Listeners {
  health(): Record<string, string | number>;
  stop(): Promise<void>;
}

/** Starts reading each listening topic, once however many names it has. */
export function startListeners({ topics, ...options }: ListenerOptions): Listeners {
  const names = new Map(topics.filter(({ listen }) => listen).map(({ topicId, name }) => [topicId, name]));
  const failing = new Map<string, string>();
  const intakes = [...names].map(([topicId, name]): Intake =>
    startIntake({
      ...options,
      topicId,
      excludeSelf: true,
      onTrouble(trouble) {
        if (trouble.kind === "fatal" || trouble.kind === "passing") failing.set(name, errorText(trouble.error));
      },
      onHealthy() {
        failing.delete(name);
        options.log.info(`[agentrux] Listening to ${name} (${topicId})`);
      },
    }),
  );
  return {
    health: () =>
      names.size === 0
        ? {}
        : {
            listening: names.size,
            ...(failing.size === 0 ? {} : { listeningFailing: [...failing.keys()].join(", ") }),
          },
    async stop() {
      await Promise.all(intakes.map((intake) => intake.stop()));
    },
  };
}
