/** Keeps what the agent writes into the world state inside its own namespace, where one is configured. Pure. */

import { AgentruxError } from "../errors.ts";
import { cleanLine } from "../guard/text.ts";
import type { WorldTarget } from "./tool.ts";

/**
 * A prefix has to hold the whole namespace and its slash: `lab` would also be the beginning of `lab2/`.
 *
 * @throws AgentruxError `not_allowed`
 */
export function requireInsideNamespace(targets: readonly WorldTarget[], namespace: string | undefined): void {
  if (namespace === undefined) return;
  const inside = `${namespace}/`;
  for (const target of targets) {
    const isInside =
      "id" in target ? target.id.startsWith(inside) && target.id !== inside : target.prefix.startsWith(inside);
    if (isInside) continue;
    const named = "id" in target ? target.id : target.prefix;
    throw new AgentruxError(
      "not_allowed",
      `"${cleanLine(named, 80)}" is outside ${inside}, the only namespace this agent writes in (flux.namespace)`,
    );
  }
}
