import { expect, it } from "vitest";
import { showEntities } from "../../../src/tools/flux/show.ts";
import { deepJson } from "../../support/deep.ts";

it("shows an entity with a value that is too deep to be shown, in one line of JSON", () => {
  const entity = { id: "lab/room", lastUpdated: "2026-01-01T00:00:00Z", properties: { deep: deepJson(), heat: 31 } };
  const line = showEntities([entity], {
    quote: (text) => text,
  });
  expect(JSON.parse(line)).toMatchObject({ id: "lab/room", properties: { heat: 31 } });
  expect(line).toContain("[nested too deeply to be shown]");
});
