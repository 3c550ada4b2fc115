/** Where the process is to die, and what it takes to get it there. */

import type { FailpointName } from "../../../src/failpoint.ts";
import type { CrashPoint } from "./life.ts";
import type { Generation } from "./site.ts";

export interface Aim extends CrashPoint {
  /** The n-th pass kills, n at random up to this. 1 where a life passes only once. */
  readonly passes: number;
  /** Only in this generation; in either one where it makes no difference. */
  readonly generation?: Generation;
}

const once: readonly CrashPoint[] = [
  { point: "session.starting" },
  { point: "journal.locked" },
  { point: "journal.created" },
  { point: "journal.migrating" },
  { point: "journal.migrated" },
  { point: "session.journal-open" },
  { point: "session.delivery-started" },
  { point: "intake.position-found" },
];

const often: readonly CrashPoint[] = [
  { point: "intake.admitting" },
  { point: "intake.admitted" },
  { point: "intake.advanced" },
  { point: "waterline.writing" },
  { point: "waterline.temporary" },
  { rename: "waterline.json" },
  { point: "waterline.renamed" },
  { point: "waterline.saved" },
  { point: "turn.beginning" },
  { point: "turn.begun" },
  { point: "turn.ended" },
  { point: "turn.answering" },
  { point: "turn.answered" },
  { point: "reply.marking" },
  { point: "reply.acknowledged" },
];

/** The places around a transaction, for each operation that writes. */
const transactions: readonly CrashPoint[] = ["admit", "begin", "reply", "markSending", "acknowledge"].flatMap(
  (operation) => transactionsWith(operation),
);

function transactionsWith(operation: string): readonly CrashPoint[] {
  const places = ["journal.beginning", "journal.begun", "journal.committing", "journal.committed"] as const;
  return places.map((point) => ({ point, operation }));
}

/** Passed by an account that works. */
export const AT_WORK: readonly Aim[] = [
  ...once.map((point) => ({ ...point, passes: 1 })),
  ...often.map((point) => ({ ...point, passes: 3 })),
  ...transactions.map((point) => ({ ...point, passes: 3 })),
  ...transactionsWith("putBack").map((point) => ({ ...point, passes: 1 })),
  { point: "turn.put-back", passes: 1 },
  // Whether a reply is sent again or looked up first is the one thing in which the generations differ.
  { point: "reply.marked", passes: 3, generation: "a" },
  { point: "reply.marked", passes: 3, generation: "b" },
  { point: "reply.published", passes: 3, generation: "a" },
  { point: "reply.published", passes: 3, generation: "b" },
];

/** Passed when a command is given up: its reply and its dead letter are one transaction. */
export const GIVING_UP: readonly Aim[] = transactionsWith("reply").map((point) => ({
  ...point,
  dead: true,
  passes: 1,
}));

/** Passed while the service takes no replies. */
export const TURNED_AWAY: readonly Aim[] = [
  ...transactionsWith("deferReply").map((point) => ({ ...point, passes: 2 })),
  { point: "reply.deferred", passes: 2 },
];

/** Passed while a reply goes out that is too long for events. */
export const SPILLING: readonly Aim[] = [
  { point: "reply.uploading", passes: 1 },
  { point: "reply.uploaded", passes: 1 },
  { point: "journal.committing", operation: "rewriteReply", passes: 1 },
  { point: "reply.referenced", passes: 1 },
];

/** Passed when the service takes no objects, and such a reply goes out in parts. */
export const UNSPILLING: readonly Aim[] = [
  { point: "journal.committing", operation: "replaceReplies", passes: 1 },
  { point: "reply.unspilled", passes: 1 },
];

/** Passed when a watch tells of a change. */
export const WATCHING: readonly Aim[] = [
  { point: "watch.telling", passes: 3 },
  ...transactionsWith("admitWatch").map((point) => ({ ...point, passes: 3 })),
  { point: "watch.told", passes: 3 },
];

/** Passed while an account stops. */
export const STOPPING: readonly Aim[] = aimsAt(
  "session.stopping",
  "session.intake-stopped",
  "session.delivery-stopped",
  "journal.closing",
  "session.journal-closed",
);

/** Passed while a damaged journal is replaced. */
export const REPLACING: readonly Aim[] = aimsAt("journal.rescuing", "journal.rescued", "journal.set-aside");

/** Passed only by a life that follows a crash: at the first aim, then at the second. */
export const RECOVERING: readonly { readonly first: Aim; readonly second: Aim }[] = [
  { first: { point: "turn.begun", passes: 2 }, second: { point: "turn.recovering", passes: 1 } },
  {
    first: { point: "reply.published", passes: 2 },
    second: { point: "reply.found", passes: 1, generation: "a" },
  },
];

/** Passed by an account that finds a code. What each leaves behind is told in activation.test.ts. */
export const ACTIVATING = {
  unsent: aimsAt("activation.claimed", "activation.in-flight", "credentials.reserved", "activation.attempt-noted"),
  spent: aimsAt("activation.redeemed", "credentials.filled"),
  stored: aimsAt("credentials.renamed", "credentials.saved", "activation.removed", "activation.attempt-settled"),
  returned: aimsAt("activation.restoring"),
  refused: aimsAt("activation.quarantining", "activation.quarantined"),
} as const;

/** Passed only in a real host: the rows of SDK spec 17.2, for test/e2e/crash.test.ts. A place as crash-on-order.ts takes it. */
export const IN_THE_HOST: readonly { readonly row: string; readonly place: string }[] = [
  { row: "before the host has the turn", place: "turn.begun" },
  { row: "when the host has taken the turn over", place: "turn.adopted" },
  { row: "when the host delivers the answer", place: "turn.delivering" },
  { row: "when the host is done and nothing is written", place: "turn.ended" },
  { row: "when the reply is about to be written", place: "journal.committing reply" },
  { row: "when the reply is written", place: "journal.committed reply" },
  { row: "when the reply is published and nobody knows", place: "reply.published" },
];

function aimsAt(...points: readonly FailpointName[]): readonly Aim[] {
  return points.map((point) => ({ point, passes: 1 }));
}

export function nameOf({ point, operation, dead, rename, generation }: Aim): string {
  const where = point ?? `before the rename to ${rename}`;
  const what = operation === undefined ? "" : ` with ${operation}${dead === undefined ? "" : " of a dead letter"}`;
  return `${where}${what}${generation === undefined ? "" : `, generation ${generation}`}`;
}
