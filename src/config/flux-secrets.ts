/** Which parts of the key `flux` are secrets, for those who must not load the whole schema to know it. */

export const SECRET_KEYS = ["token", "adminToken"] as const;

/** Stands in the place of a secret that the host could not resolve. */
export const UNRESOLVED_SECRET = "(a secret reference that could not be resolved)";
