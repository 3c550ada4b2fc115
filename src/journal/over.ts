/** Makes a journal out of one function that carries out any of its operations. */

import type { Journal, JournalOperations } from "./types.ts";

/** Every operation, so that the compiler notices one that is missing here. */
const OPERATIONS: { readonly [K in keyof JournalOperations]: true } = {
  admit: true,
  lastPosition: true,
  openCommands: true,
  openCommand: true,
  findOpen: true,
  begin: true,
  putBack: true,
  reply: true,
  unsentCommands: true,
  nextReply: true,
  markSending: true,
  deferReply: true,
  acknowledge: true,
  rewriteReply: true,
  replaceReplies: true,
  expireReply: true,
  deadLetters: true,
  deadLetter: true,
  replay: true,
  drop: true,
  ask: true,
  openRequests: true,
  answerRequest: true,
  requestOutcome: true,
  numbers: true,
  watches: true,
  keepWatch: true,
  rebaseWatch: true,
  forgetWatch: true,
  watchedEntities: true,
  admitWatch: true,
};

/** A journal whose operations go through `call`. */
export function journalOver(
  call: (operation: keyof JournalOperations, args: readonly unknown[]) => Promise<unknown>,
): Journal {
  const names = Object.keys(OPERATIONS) as (keyof JournalOperations)[];
  return Object.fromEntries(
    names.map((name) => [name, (...args: readonly unknown[]) => call(name, args)]),
  ) as unknown as Journal;
}
