/** Which properties hold a secret by their name, and which values are one rather than a word about one. */

/** `password`: nearly any value is one. `secret`: only what looks random. */
type Named = "password" | "secret";

const PASSWORDS: ReadonlySet<string> = new Set(["password", "passwd", "passphrase", "pwd"]);
const SECRETS: ReadonlySet<string> = new Set([
  "secret",
  "secrets",
  "token",
  "tokens",
  "apikey",
  "apikeys",
  "authtoken",
  "accesstoken",
  "accesskey",
  "secretkey",
  "privatekey",
  "credential",
  "credentials",
  "authorization",
]);
const KEYS: ReadonlySet<string> = new Set([
  "api",
  "access",
  "secret",
  "private",
  "signing",
  "encryption",
  "master",
  "auth",
  "account",
  "client",
]);
/** Tokens that open nothing. */
const POSITIONS: ReadonlySet<string> = new Set(["page", "next", "previous", "prev", "sync", "continuation", "resume"]);

/** Words that say how it stands with a secret. */
const ABOUT: ReadonlySet<string> = new Set(
  (
    "a an and are at be been by do does expired expires expire expiring false hidden in is it missing must n na needed needs " +
    "never new next no none not null of off ok old on once optional pending present provided redacted removed required " +
    "reset revoked rotate rotated rotating rotation set soon stored strong the to true undefined unknown unset until " +
    "update updated use used user valid invalid vault was weak will with yes today tomorrow yesterday disabled enabled " +
    "empty default change changed configured absent active inactive authorized denied granted see ask login"
  ).split(" "),
);

/** What a property's name says of its value; undefined when it says nothing of the kind. */
export function namesSecret(name: string): Named | undefined {
  const words = name
    .slice(-100)
    .replaceAll(/([a-z0-9])([A-Z])/g, "$1 $2")
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== "");
  const last = words.at(-1) ?? "";
  const before = words.at(-2) ?? "";
  if (PASSWORDS.has(last)) return "password";
  if ((last === "key" || last === "keys") && KEYS.has(before)) return "secret";
  if (!SECRETS.has(last) || POSITIONS.has(before)) return undefined;
  return "secret";
}

/** Whether the value of such a property is the secret itself. */
export function looksSecret(value: unknown, named: Named): boolean {
  if (typeof value === "number") return named === "password" && value >= 1_000;
  if (typeof value !== "string") return false;
  const text = value.trim();
  if (text.length < (named === "password" ? 4 : 8) || isStandIn(text)) return false;
  if (named === "password") return true;
  const isPhrase = /\s/.test(text);
  const isWord = /^[A-Za-z]+(?:[-_.:/][A-Za-z]+)*$/.test(text);
  const isCount = /^[\d.,:TZ+-]+$/.test(text);
  return !isPhrase && !isWord && !isCount;
}

/** A mask, a reference to where the secret is kept, an address, or words about it. */
function isStandIn(text: string): boolean {
  if (/\*{3}|•{3}|\.{3}|…|\[redacted/i.test(text) || /^(.)\1*$/s.test(text)) return true;
  if (/^(?:\$|%[A-Z_]+%$|\{\{|<|vault:|env:|file:|op:\/\/|arn:|sm:\/\/|keychain:|secretref:)/i.test(text)) return true;
  if (/^https?:\/\/[^@]*$/.test(text) || /^~?(?:\/[\w.-]+){2,}$/.test(text) || /^0x[0-9a-f]{40}$/i.test(text))
    return true;
  return (
    text
      .toLowerCase()
      .split(/[^a-z]+/)
      .every((word) => word === "" || ABOUT.has(word)) && !/\d/.test(text)
  );
}
