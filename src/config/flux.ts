/** Owns the key `flux`: the world-state server, what is watched there, and the agents' presence; as written, and resolved. */

import { z } from "zod";
import { type Condition, parseCondition } from "./condition.ts";
import { SECRET_KEYS, UNRESOLVED_SECRET } from "./flux-secrets.ts";

/** A secret: itself, or the host's reference to where it is kept (SDK spec, section 9.2), of which `$NAME` is the short form. */
const secret = z.union([
  z.string().min(1).max(4_096),
  z.strictObject({
    source: z.enum(["env", "file", "exec", "store"]),
    provider: z.string().min(1).max(64),
    id: z.string().min(1).max(1_024),
  }),
]);

const SHORT_REFERENCE = /^\$(?:[A-Z][A-Z0-9_]*|\{[A-Z][A-Z0-9_]*\})$/;

const namespace = z.string().regex(/^[a-z0-9_-]{3,32}$/, { error: "must be 3 to 32 characters of a-z, 0-9, - and _" });
const entityId = z.string().min(1).max(512);
const integer = (min: number, max: number) => z.number().int().min(min).max(max);

const condition = z
  .string()
  .max(500)
  .superRefine((text, context) => {
    const parsed = parseCondition(text);
    if (typeof parsed === "string") context.addIssue({ code: "custom", message: parsed });
  });

const watch = z
  .strictObject({
    id: z
      .string()
      .max(64)
      .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, {
        error: "must begin with a letter or digit, then letters, digits, . _ -",
      }),
    entity: entityId.optional(),
    prefix: entityId.optional(),
    namespace: namespace.optional(),
    property: z.string().min(1).max(255).optional(),
    when: condition.optional(),
    instruction: z.string().max(4_000).optional(),
    debounceMs: integer(0, 60_000).optional(),
    cooldownSeconds: integer(0, 86_400).optional(),
    turnsPerHour: integer(1, 3_600).optional(),
  })
  .refine(
    ({ entity, prefix, namespace: name }) => [entity, prefix, name].filter((one) => one !== undefined).length === 1,
    {
      error: "needs exactly one of entity, prefix and namespace",
    },
  )
  .refine(({ property, when }) => conditionOf(when, property) !== undefined, {
    error: "a comparison needs a property, in when or beside it, and only one",
  });

/** The key as a person writes it. */
export const fluxKey = z
  .strictObject({
    url: z
      .string()
      .refine((url) => URL.canParse(url) && /^https?:$/.test(new URL(url).protocol), {
        error: "must be an http(s) URL",
      })
      .transform((url) => url.replace(/\/+$/, ""))
      .optional(),
    token: secret.optional(),
    adminToken: secret.optional(),
    namespace: namespace.optional(),
    topicTurns: z.enum(["off", "read", "write"]).optional(),
    watch: z
      .array(watch)
      .max(50)
      .refine((watches) => new Set(watches.map(({ id }) => id)).size === watches.length, { error: "names an id twice" })
      .optional(),
    presence: z
      .strictObject({
        enabled: z.boolean().optional(),
        intervalSeconds: integer(5, 3_600).optional(),
        capabilities: z.array(z.string().min(1).max(64)).max(50).optional(),
      })
      .optional(),
  })
  .refine(({ namespace: name, presence }) => presence?.enabled !== true || name !== undefined, {
    error: "needs namespace where presence is enabled: agents appear there",
  });

/** Something the agent is to be told of. */
export interface FluxWatch {
  readonly id: string;
  /** One entity, or every id that begins with `prefix`. A namespace is the prefix `<namespace>/`. */
  readonly target: { readonly entity: string } | { readonly prefix: string };
  /** Only this property counts; otherwise all of them do. */
  readonly property?: string;
  readonly condition: Condition;
  /** The operator's own words on what to do. */
  readonly instruction?: string;
  /** Changes of one entity within this time are one. */
  readonly debounceMs: number;
  /** At least so long between two turns about one entity. */
  readonly cooldownMs: number;
  readonly turnsPerHour: number;
}

export interface FluxPresence {
  readonly enabled: boolean;
  readonly intervalMs: number;
  readonly capabilities: readonly string[];
}

/** The key resolved. */
export interface FluxConfig {
  /** Without trailing slash; absent, the account's hub counts. */
  readonly url?: string;
  readonly token?: string;
  readonly adminToken?: string;
  /** Keys that hold a reference nobody has resolved: outside a gateway there is nobody to do it. */
  readonly unresolved: readonly (typeof SECRET_KEYS)[number][];
  /** The agent writes here and nowhere else; absent, it writes wherever the server lets it. */
  readonly namespace?: string;
  /** What a turn that came from a topic may do with the world. */
  readonly topicTurns: "off" | "read" | "write";
  readonly watches: readonly FluxWatch[];
  readonly presence: FluxPresence;
}

export const FLUX_DEFAULTS = {
  topicTurns: "read",
  debounceMs: 250,
  cooldownSeconds: 30,
  turnsPerHour: 60,
  presenceIntervalSeconds: 30,
} as const;

/** The condition of a watch with its property in it; undefined where `when` and `property` do not fit. */
function conditionOf(when: string | undefined, property: string | undefined): Condition | undefined {
  const parsed = parseCondition(when ?? "changed");
  if (typeof parsed === "string") return { kind: "changed" };
  if (parsed.kind !== "compare") return parsed;
  if (parsed.property !== undefined && property !== undefined && parsed.property !== property) return undefined;
  const name = parsed.property ?? property;
  return name === undefined ? undefined : { ...parsed, property: name };
}

function watchOf(written: z.infer<typeof watch>): FluxWatch {
  const { id, entity, prefix, namespace: name, property, when, instruction } = written;
  const parsed = conditionOf(when, property) ?? { kind: "changed" };
  const only = parsed.kind === "compare" ? parsed.property : property;
  return {
    id,
    target: entity === undefined ? { prefix: prefix ?? `${name}/` } : { entity },
    ...(only === undefined ? {} : { property: only }),
    condition: parsed,
    ...(instruction === undefined ? {} : { instruction }),
    debounceMs: written.debounceMs ?? FLUX_DEFAULTS.debounceMs,
    cooldownMs: (written.cooldownSeconds ?? FLUX_DEFAULTS.cooldownSeconds) * 1_000,
    turnsPerHour: written.turnsPerHour ?? FLUX_DEFAULTS.turnsPerHour,
  };
}

/** A watch as somebody wrote it, who is not the operator; or a sentence that says what is wrong with it. */
export function parseWatch(written: unknown): FluxWatch | string {
  const parsed = watch.safeParse(written);
  if (parsed.success) return watchOf(parsed.data);
  const [issue] = parsed.error.issues;
  const where = issue === undefined || issue.path.length === 0 ? "a watch" : issue.path.join(".");
  return `${where} ${issue?.message ?? "is not valid"}`;
}

/** What the key means; without it, the account's hub, nothing watched and nothing published. */
export function resolveFlux(written: z.infer<typeof fluxKey> = {}): FluxConfig {
  const { url, namespace: name, topicTurns, presence } = written;
  const secrets = { token: written.token, adminToken: written.adminToken };
  const isKnown = (value: unknown): boolean =>
    typeof value === "string" && value !== UNRESOLVED_SECRET && !SHORT_REFERENCE.test(value);
  const known = Object.fromEntries(Object.entries(secrets).filter(([, value]) => isKnown(value)));
  const {
    enabled = false,
    intervalSeconds = FLUX_DEFAULTS.presenceIntervalSeconds,
    capabilities = [],
  } = presence ?? {};
  return {
    ...(url === undefined ? {} : { url }),
    ...known,
    unresolved: SECRET_KEYS.filter((key) => secrets[key] !== undefined && !isKnown(secrets[key])),
    ...(name === undefined ? {} : { namespace: name }),
    topicTurns: topicTurns ?? FLUX_DEFAULTS.topicTurns,
    watches: (written.watch ?? []).map(watchOf),
    presence: { enabled, intervalMs: intervalSeconds * 1_000, capabilities },
  };
}

/** Whether anybody wrote anything that has to do with the world state. */
export function usesFlux({
  url,
  namespace: name,
  token,
  adminToken,
  unresolved,
  watches,
  presence,
}: FluxConfig): boolean {
  const written = [url, name, token, adminToken].some((value) => value !== undefined);
  return written || unresolved.length > 0 || watches.length > 0 || presence.enabled;
}
