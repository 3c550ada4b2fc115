/**
 * Owns under which names the hub is called. A stranger's page can let its own name lead to this machine (DNS rebinding). For
 * the browser it is then a page of the hub, and what it reads it asks for without an `Origin`: only `Host` still has its name.
 * An address is nobody's name, and names under `localhost` lead nowhere else.
 */
import { isIP } from "node:net";

const HOST_PATTERN = /^(?:\[([^\]]+)\]|([^\s:/?#@\\[\]]+))(?::\d*)?$/;

/** Whether a `Host` header is one that this hub's own clients send. */
export type HostCheck = (host: string | undefined) => boolean;

export function hostCheck(publicUrl = ""): HostCheck {
  const publicName = URL.canParse(publicUrl) ? nameOf(new URL(publicUrl).host) : undefined;
  // Clients send the same one in every request. Undefined at first: no browser leaves it out, so whoever does is no page.
  let latest: string | undefined;
  return (host) => {
    if (host === latest || host === undefined) return true;
    const name = nameOf(host);
    if (name === undefined || !(isOwn(name) || name === publicName)) return false;
    latest = host;
    return true;
  };
}

function isOwn(name: string): boolean {
  return isIP(name) !== 0 || name === "localhost" || name.endsWith(".localhost");
}

/** The name or address alone, in lower case and without the dot that may end a name. */
function nameOf(host: string): string | undefined {
  const [, literal, name] = HOST_PATTERN.exec(host) ?? [];
  return (literal ?? name?.replace(/\.$/, ""))?.toLowerCase();
}
