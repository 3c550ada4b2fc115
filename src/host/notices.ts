/**
 * Recognises what the host says on its own behalf: notices after a restart, and what it says in place of an answer. They
 * are meant for a person in a chat; to the program that waits for a reply they would look like the answer (SDK spec,
 * section 17.2). None of them carries a mark, so their words are all there is to go by.
 */

const NOTICES = [
  /^I['\u2019]m continuing your interrupted request now\b/,
  /^I couldn['\u2019]t confirm whether my previous reply reached this chat\b/,
  /^I couldn['\u2019]t continue this session after a gateway restart\b/,
];

/** As a whole: an agent may well quote one of them. */
const IN_PLACE_OF_AN_ANSWER = [
  ["no answer", /^\u26a0\ufe0f? OpenClaw couldn['\u2019]t produce or deliver a reply\. Please try again\.[^\n]*$/],
  ["queue full", /^This message was not queued because the session queue is full\.[^\n]*$/],
] as const;

/** Why there is no answer, where the host says so in its place; undefined for an answer. */
export function missingAnswer(text: string): "no answer" | "queue full" | undefined {
  return IN_PLACE_OF_AN_ANSWER.find(([, words]) => words.test(text.trim()))?.[0];
}

export function isHostNotice(text: string): boolean {
  const start = text.trimStart();
  return NOTICES.some((notice) => notice.test(start)) || missingAnswer(text) !== undefined;
}
