/** Owns what a foreign text loses before it may stand in an error message or a log: everything that opens a door. */

const MASK = "[redacted]";
/** What is shorter opens no door, and stands in ordinary words. */
const SECRET_MIN_LENGTH = 8;

/** Codes, secrets and tokens by their prefixes (wire spec 2.1, 4.1), JWTs by their shape. */
const SECRET =
  /\b(?:ac_|act_|atk_|inv_|gtk_|aks_|aat_|art_)[A-Za-z0-9_.~+/=-]{8,}|\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?/g;
/** A URL's query: presigned URLs carry their signature there. */
const URL_QUERY = /(\bhttps?:\/\/[^\s?#"'<>]+)\?[^\s"'<>]*/gi;

/**
 * `text` without codes, tokens, presigned queries and the given secrets.
 *
 * @param secrets Values that must not appear, such as the client secret of this very request.
 */
export function redact(text: string, secrets: readonly string[] = []): string {
  let clean = text;
  for (const secret of secrets) {
    if (secret.length >= SECRET_MIN_LENGTH) clean = clean.replaceAll(secret, MASK);
  }
  return clean.replace(URL_QUERY, `$1?${MASK}`).replace(SECRET, MASK);
}
