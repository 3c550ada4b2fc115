import { expect, it } from "vitest";
import { jsonText } from "../../src/guard/json-text.ts";
import { deepJson } from "../support/deep.ts";

it.each([[{ a: [1, "b", null] }], ["text"], [null], [7]])("is the JSON of %j", (value) => {
  expect(jsonText(value)).toBe(JSON.stringify(value));
});

it("is null where there is nothing", () => {
  expect(jsonText(undefined)).toBe("null");
});

it("shows what is around a value that is too deep, and says so in its place", () => {
  const deep = deepJson();
  expect(() => JSON.stringify(deep)).toThrow(RangeError);
  const text = jsonText({ before: 1, ["__proto__"]: { deep }, after: [true] });
  expect(text).toMatch(
    /^\{"before":1,"__proto__":\{"deep":\[+"\[nested too deeply to be shown\]"\]+\},"after":\[true\]\}$/,
  );
  expect(text.length).toBeLessThan(400);
});
