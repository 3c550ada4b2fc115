/**
 * Recognises what the host says on its own behalf after a restart. Such notices are meant for a person in a chat; to the
 * program that waits for a reply they would look like the answer (SDK spec, section 17.2).
 */

const NOTICES = [
  /^I['\u2019]m continuing your interrupted request now\b/,
  /^I couldn['\u2019]t confirm whether my previous reply reached this chat\b/,
  /^I couldn['\u2019]t continue this session after a gateway restart\b/,
];

export function isHostNotice(text: string): boolean {
  const start = text.trimStart();
  return NOTICES.some((notice) => notice.test(start));
}
