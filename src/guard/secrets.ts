/**
 * Finds secrets in what is about to be published where others can read it. Pure, and linear in the length of the text.
 *
 * Three signs: a value we know to be secret; the shape of a known kind of token; a property whose name says that its value
 * is one (`password`, `api_key`) and whose value is more than a word about it. It errs on the side of letting through: an
 * id, a hash or a sentence about passwords is no secret. Who means to smuggle one out will find a way; this is against
 * mistakes.
 */

import { looksSecret, namesSecret } from "./secret-names.ts";
import { secretShape } from "./secret-shapes.ts";

export interface SecretFinding {
  /** Where: `properties.db.password`, `events[2].properties.note`. */
  readonly path: string;
  /** What kind of secret, in a few words; never the value. */
  readonly kind: string;
}

/** Shorter ones would be found everywhere. */
const KNOWN_MIN_CHARS = 8;
const PATH_MAX_CHARS = 200;
/** A value under such a name is what the name above it says: `{"token": {"value": "..."}}`. */
const GENERIC = /^(?:value|current|raw|text|data|plain)$/i;

interface Place {
  readonly value: unknown;
  readonly path: string;
  /** The property whose value this is, an element of, or the generic part of. */
  readonly name: string;
}

/**
 * The first secret in a JSON document; undefined when there is none to be seen.
 *
 * @param known Values that are secret, whatever they look like.
 */
export function findSecret(document: unknown, known: readonly string[] = []): SecretFinding | undefined {
  const secrets = known.filter(({ length }) => length >= KNOWN_MIN_CHARS);
  const kindOf = (text: string): string | undefined =>
    secrets.some((secret) => text.includes(secret)) ? "one of this agent's own credentials" : secretShape(text);
  // A stack, not recursion: a document may be nested as deep as its parser allows.
  const places: Place[] = [{ value: document, path: "", name: "" }];
  for (let place = places.pop(); place !== undefined; place = places.pop()) {
    const { value, path, name } = place;
    const kind = typeof value === "string" ? kindOf(value) : undefined;
    if (kind !== undefined) return { path, kind };
    const named = namesSecret(name);
    if (named !== undefined && looksSecret(value, named)) return { path, kind: `the value of a ${named}` };
    if (typeof value !== "object" || value === null) continue;
    const isList = Array.isArray(value);
    for (const [key, child] of Object.entries(value).toReversed()) {
      const keyKind = isList ? undefined : kindOf(key);
      if (keyKind !== undefined) return { path: joined(path, "(the name of a property)", false), kind: keyKind };
      places.push({ value: child, path: joined(path, key, isList), name: isList || GENERIC.test(key) ? name : key });
    }
  }
  return undefined;
}

function joined(path: string, key: string, isIndex: boolean): string {
  const whole = isIndex ? `${path}[${key}]` : path === "" ? key : `${path}.${key}`;
  return whole.slice(0, PATH_MAX_CHARS);
}
