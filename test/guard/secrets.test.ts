/** What may not be published, and what may although it looks like it. */

import { describe, expect, it } from "vitest";
import { findSecret } from "../../src/guard/secrets.ts";
import { BENIGN, SECRETS } from "./support/secret-values.ts";

describe("a secret", () => {
  it.each(SECRETS)("%s is found, and told by its place alone", (_what, document, path) => {
    const found = findSecret(document);
    expect(found?.path).toBe(path);
    const values = JSON.stringify(document).match(/[A-Za-z0-9+/_-]{12,}/g) ?? [];
    for (const value of values) expect(found?.kind).not.toContain(value);
  });

  it("is found when we know it, whatever it looks like, also as a name or in the middle of a text", () => {
    const known = ["plain-words-only", undefined, ""].filter((one) => one !== undefined);
    expect(findSecret({ a: "xx plain-words-only yy" }, known)).toMatchObject({ path: "a" });
    expect(findSecret({ "plain-words-only": 1 }, known)).toMatchObject({ path: "(the name of a property)" });
    expect(findSecret(["", { a: "plain words only" }], known)).toBeUndefined();
    expect(findSecret({ a: "anything" }, ["a"])).toBeUndefined();
  });

  it("is found behind the first thing of its shape that is harmless", () => {
    const [, document] = SECRETS.find(([what]) => what === "an OpenAI key") ?? [];
    const text = `sk-learn-gradient-boosting-classifier, ${(document as { t: string }).t}`;
    expect(findSecret({ text })).toMatchObject({ path: "text" });
  });
});

it.each(BENIGN)("lets %s through", (_what, document) => {
  expect(findSecret(document)).toBeUndefined();
});

it("has enough of both to be worth something", () => {
  expect([SECRETS.length >= 40, BENIGN.length >= 40]).toEqual([true, true]);
});

describe("hostile documents", () => {
  it("nested deeper than a stack", () => {
    let document: unknown = "end";
    for (let depth = 0; depth < 200_000; depth += 1) document = [document];
    expect(findSecret(document)).toBeUndefined();
  });

  // Each begins a shape at every place: an expression that begins anew inside what it has passed over would not end.
  it.each([
    "eyJ",
    "-eyJ",
    "eyJa.",
    "sk-",
    "-sk-",
    "ac_",
    "_ac_",
    "xoxb-",
    "Bearer ",
    "bearer.",
    "://",
    "://a:",
    "a:b@",
    "-----BEGIN ",
    "-----BEGIN RSA ",
    "&sig=",
    "?access_token=",
    "ghp_",
    "SG.",
    "0:AA",
    "9",
    "A",
    "a1",
    " ",
    "/a",
    "/",
    "hooks.slack.com/services/T",
    "Authorization: Basic ",
    "AKIA",
    "AIza",
    "*",
    "..",
    "word ",
    "Aa",
  ])("a million characters of %j are read to their end", (piece) => {
    // Quadratic work would be days; the test's own time limit is the measure.
    const text = piece.repeat(Math.ceil(1_000_000 / piece.length));
    expect(() => findSecret({ note: text, password: text, token: text, [text]: 1 })).not.toThrow();
  });
});
