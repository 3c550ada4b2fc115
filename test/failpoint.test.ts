/** No place at which a crash is rehearsed goes without its rehearsal. */

import { expect, it } from "vitest";
import { FAILPOINTS } from "../src/failpoint.ts";
import {
  ACTIVATING,
  AT_WORK,
  GIVING_UP,
  IN_THE_HOST,
  RECOVERING,
  REPLACING,
  SPILLING,
  STOPPING,
  TURNED_AWAY,
  UNSPILLING,
  WATCHING,
} from "./crash/support/aims.ts";

it("kills at every place there is", () => {
  const aims = [
    ...AT_WORK,
    ...GIVING_UP,
    ...TURNED_AWAY,
    ...SPILLING,
    ...UNSPILLING,
    ...WATCHING,
    ...STOPPING,
    ...REPLACING,
    ...RECOVERING.flatMap(({ first, second }) => [first, second]),
    ...Object.values(ACTIVATING).flat(),
  ];
  const killed = new Set<string | undefined>(aims.map(({ point }) => point));
  for (const { place } of IN_THE_HOST) killed.add(place.split(" ")[0]);
  expect(FAILPOINTS.filter((place) => !killed.has(place))).toEqual([]);
  expect(FAILPOINTS.length).toBeGreaterThanOrEqual(25);
});
