/** Owns the name under which the plugin's requests go out. */

import manifest from "../../package.json" with { type: "json" };

/**
 * Sent on every request. The load balancer in front of the vendor's service answers 403 to requests without one
 * (wire spec, section 1).
 */
export const USER_AGENT: string = `agentrux-openclaw-plugin/${manifest.version}`;
