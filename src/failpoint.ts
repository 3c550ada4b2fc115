/**
 * Owns the named places at which a crash is rehearsed: one at every step that has to survive one.
 *
 * Passing a place does nothing unless the process that hosts the plugin has put a function on a global symbol, as the
 * crash tests do in each thread; it then decides whether the process ends there. Nothing a user can set reaches it.
 */

/** Every place, by the room it is in. A name tells what has just been done, or, ending in -ing, what comes next. */
export const FAILPOINTS = [
  "activation.claimed",
  "activation.in-flight",
  "activation.attempt-noted",
  "activation.redeemed",
  "activation.removed",
  "activation.attempt-settled",
  "activation.restoring",
  "activation.quarantining",
  "activation.quarantined",
  "credentials.reserved",
  "credentials.filled",
  "credentials.renamed",
  "credentials.saved",
  "session.starting",
  "session.journal-open",
  "session.delivery-started",
  "session.stopping",
  "session.intake-stopped",
  "session.delivery-stopped",
  "session.journal-closed",
  "journal.locked",
  "journal.created",
  "journal.migrating",
  "journal.migrated",
  "journal.rescuing",
  "journal.rescued",
  "journal.set-aside",
  "journal.beginning",
  "journal.begun",
  "journal.committing",
  "journal.committed",
  "journal.closing",
  "waterline.writing",
  "waterline.temporary",
  "waterline.renamed",
  "waterline.saved",
  "intake.position-found",
  "intake.admitting",
  "intake.admitted",
  "intake.advanced",
  "turn.beginning",
  "turn.begun",
  "turn.adopted",
  "turn.delivering",
  "turn.ended",
  "turn.recovering",
  "turn.put-back",
  "turn.answering",
  "turn.answered",
  "reply.marking",
  "reply.marked",
  "reply.uploading",
  "reply.uploaded",
  "reply.referenced",
  "reply.unspilled",
  "reply.published",
  "reply.found",
  "reply.deferred",
  "reply.acknowledged",
  "watch.telling",
  "watch.told",
] as const;

export type FailpointName = (typeof FAILPOINTS)[number];

/** What stands on the global symbol `agentrux.failpoint`. */
export type FailpointHook = (name: FailpointName, calls?: readonly { readonly operation: string }[]) => void;

const HOOK = Symbol.for("agentrux.failpoint");
const place = globalThis as typeof globalThis & { readonly [HOOK]?: FailpointHook };

/** @param calls At the journal's places, the operations of the transaction. */
export const failpoint: FailpointHook = (name, calls) => place[HOOK]?.(name, calls);
