/**
 * Owns namespaces: who holds which token, and whether reading needs it. Tokens are kept as hashes only, looked up by hash, so
 * neither the database nor the time of an answer tells anything about them.
 */
import { hashSecret } from "../auth/secrets.ts";
import { HubError } from "../errors.ts";
import { uuidV4 } from "../ids.ts";
import type { Clock, Random } from "../runtime.ts";
import type { WorldNamespace, WorldRegistry } from "../store/world-port.ts";

const NAME_MIN = 3;
const NAME_MAX = 32;
const ID_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz";
const ID_LENGTH = 8;

/** The only time the token is shown. */
export interface Registered {
  readonly namespace: WorldNamespace;
  readonly token: string;
}

export interface NamespaceParts {
  readonly registry: WorldRegistry;
  readonly clock: Clock;
  readonly random: Random;
}

export class Namespaces {
  readonly #parts: NamespaceParts;
  readonly #byName = new Map<string, WorldNamespace>();
  readonly #private = new Set<string>();
  readonly #byToken = new Map<string, WorldNamespace>();
  /** Names whose registration is on its way to the disk. */
  readonly #pending = new Set<string>();
  readonly #listeners = new Set<(name: string) => void>();

  private constructor(parts: NamespaceParts) {
    this.#parts = parts;
  }

  static async open(parts: NamespaceParts): Promise<Namespaces> {
    const namespaces = new Namespaces(parts);
    for (const namespace of await parts.registry.namespaces()) namespaces.#keep(namespace);
    return namespaces;
  }

  get(name: string): WorldNamespace | undefined {
    return this.#byName.get(name);
  }

  /** Whether any of them is private. */
  get hasPrivate(): boolean {
    return this.#private.size > 0;
  }

  list(): WorldNamespace[] {
    return [...this.#byName.values()];
  }

  ofToken(token: string): WorldNamespace | undefined {
    return this.#byToken.get(hashSecret(token));
  }

  /** @throws HubError INVALID (400), CONFLICT */
  async register(name: string, isPrivate: boolean): Promise<Registered> {
    const fault = nameFault(name);
    if (fault !== undefined) throw new HubError("INVALID", fault, { status: 400 });
    if (this.#byName.has(name) || this.#pending.has(name)) {
      throw new HubError("CONFLICT", "Namespace name already exists");
    }
    this.#pending.add(name);
    try {
      const { clock, random } = this.#parts;
      return await this.#issue({ name, id: this.#newId(), tokenHash: "", createdAt: clock.now(), isPrivate }, random);
    } finally {
      this.#pending.delete(name);
    }
  }

  /** Called when a namespace's token has ended. Returns the way to stop it. */
  onRevoked(listener: (name: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Gives a namespace a new token; the old one ends at once. */
  async rotate(namespace: WorldNamespace): Promise<Registered> {
    const issued = await this.#issue(namespace, this.#parts.random);
    for (const listener of this.#listeners) listener(namespace.name);
    return issued;
  }

  async setPrivate(namespace: WorldNamespace, isPrivate: boolean): Promise<WorldNamespace> {
    const changed = { ...namespace, isPrivate };
    await this.#parts.registry.putNamespace(changed);
    this.#keep(changed);
    return changed;
  }

  /** Also removes the credentials of its connectors. */
  async remove({ name, tokenHash }: WorldNamespace): Promise<void> {
    await this.#parts.registry.removeCredentialsOf(name);
    await this.#parts.registry.removeNamespace(name);
    this.#byName.delete(name);
    this.#private.delete(name);
    this.#byToken.delete(tokenHash);
    for (const listener of this.#listeners) listener(name);
  }

  async #issue(namespace: WorldNamespace, random: Random): Promise<Registered> {
    const token = uuidV4(random);
    const issued = { ...namespace, tokenHash: hashSecret(token) };
    await this.#parts.registry.putNamespace(issued);
    this.#byToken.delete(namespace.tokenHash);
    this.#keep(issued);
    return { namespace: issued, token };
  }

  #keep(namespace: WorldNamespace): void {
    this.#byName.set(namespace.name, namespace);
    this.#byToken.set(namespace.tokenHash, namespace);
    if (namespace.isPrivate) this.#private.add(namespace.name);
    else this.#private.delete(namespace.name);
  }

  #newId(): string {
    const bytes = this.#parts.random.bytes(ID_LENGTH);
    return `ns_${Array.from(bytes, (byte) => ID_ALPHABET[byte % ID_ALPHABET.length]).join("")}`;
  }
}

/** What is wrong with a namespace's name, in the stock server's words. */
export function nameFault(name: string): string | undefined {
  const length = Array.from(name).length;
  if (length < NAME_MIN) return `Namespace name too short (minimum ${NAME_MIN} characters)`;
  if (length > NAME_MAX) return `Namespace name too long (maximum ${NAME_MAX} characters)`;
  const odd = /[^a-z0-9_-]/u.exec(name)?.[0];
  return odd === undefined ? undefined : `Invalid character '${odd}' (must be [a-z0-9-_])`;
}
