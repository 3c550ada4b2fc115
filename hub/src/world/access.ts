/**
 * Owns who may do what in the world. Without auth everybody on this machine may do everything but administer. With auth a
 * write needs the token of the entity's namespace; reading is open, except in private namespaces, which look empty to whoever
 * does not hold their token. The operator's admin token reads everything, and writes everywhere.
 */
import { HubError } from "../errors.ts";
import type { Namespaces } from "./namespaces.ts";
import { nameFault } from "./namespaces.ts";
import { namespaceOf } from "./entity.ts";

/** Whose request it is: what its Authorization header came to. */
export interface Caller {
  /** The namespace whose token was sent. */
  readonly namespace: string | undefined;
  readonly isAdmin: boolean;
  /** Why the header is no good; undefined when there is a token, whatever it opens. */
  readonly fault: string | undefined;
}

export interface AccessParts {
  readonly auth: boolean;
  readonly namespaces: Namespaces;
  readonly isAdmin: (token: string) => boolean;
}

const NOBODY: Caller = { namespace: undefined, isAdmin: false, fault: "Authorization token not provided" };

export class WorldAccess {
  readonly #parts: AccessParts;

  constructor(parts: AccessParts) {
    this.#parts = parts;
  }

  get auth(): boolean {
    return this.#parts.auth;
  }

  /** @param header the Authorization header */
  caller(header: string | undefined): Caller {
    if (header === undefined) return NOBODY;
    const [scheme = "", token, ...more] = header.trim().split(/\s+/);
    if (scheme.toLowerCase() !== "bearer" || more.length > 0) {
      return { ...NOBODY, fault: "Invalid authorization token format" };
    }
    if (token === undefined) return { ...NOBODY, fault: "Authorization token is empty" };
    const isAdmin = this.#parts.isAdmin(token);
    return { namespace: this.#parts.namespaces.ofToken(token)?.name, isAdmin, fault: undefined };
  }

  /** Why the caller may not write about an entity; undefined when it may. */
  writeRefusal(caller: Caller, entityId: string | undefined): HubError | undefined {
    if (!this.#parts.auth) return undefined;
    if (caller.fault !== undefined) return new HubError("UNAUTHORIZED", caller.fault);
    if (entityId === undefined) return new HubError("UNAUTHORIZED", "Missing 'entity_id' field in payload");
    const fault = idFault(entityId);
    if (fault !== undefined) return new HubError("UNAUTHORIZED", fault);
    const namespace = namespaceOf(entityId) ?? "";
    if (this.#parts.namespaces.get(namespace) === undefined) {
      return new HubError("UNAUTHORIZED", `Namespace '${namespace}' not found. Ask the operator for a namespace`);
    }
    if (caller.isAdmin || caller.namespace === namespace) return undefined;
    return new HubError("FORBIDDEN", `Token does not have permission to write to namespace '${namespace}'`);
  }

  /** Why the caller may write nothing at all; undefined when it may write something, or everybody may. */
  strangerRefusal({ namespace, isAdmin, fault }: Caller): HubError | undefined {
    if (!this.#parts.auth || isAdmin || namespace !== undefined) return undefined;
    if (fault !== undefined) return new HubError("UNAUTHORIZED", fault);
    return new HubError("FORBIDDEN", "Token does not have permission to write to any namespace");
  }

  /** Whether the caller may see entities of a namespace; undefined stands for ids without one. */
  mayRead(caller: Caller, namespace: string | undefined): boolean {
    if (!this.#parts.auth || namespace === undefined || caller.isAdmin || caller.namespace === namespace) return true;
    return this.#parts.namespaces.get(namespace)?.isPrivate !== true;
  }

  /** Whether every namespace is open to every reader. */
  get readsAreOpen(): boolean {
    return !this.#parts.auth || !this.#parts.namespaces.hasPrivate;
  }
}

/** What is wrong with an entity id where namespaces are kept apart (flux-wire 3). */
function idFault(id: string): string | undefined {
  const [namespace = "", name, ...more] = id.split("/");
  if (name === undefined) return `Entity ID '${id}' missing namespace prefix (expected 'namespace/entity' format)`;
  if (more.length > 0) return `Entity ID '${id}' contains multiple '/' separators (expected at most one)`;
  if (name === "") return `Entity ID '${id}' has an empty name`;
  const fault = nameFault(namespace);
  return fault === undefined ? undefined : `Entity ID '${id}': ${fault}`;
}
