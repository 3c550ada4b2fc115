/** Owns deciding which language model the gateway's agent uses, and which key it needs for it. */

import { DemoError } from "./demo-error.ts";

/** A decided model. */
export type ChosenModel =
  | { readonly kind: "scripted" }
  | {
      readonly kind: "real";
      /** `provider/model`. */
      readonly ref: string;
      /** Environment variables the gateway is given for it, with their values. */
      readonly secrets: Readonly<Record<string, string>>;
      /** The variable the host's config refers to, where that is needed. */
      readonly keyVariable: string | undefined;
    };

interface KnownProvider {
  readonly keyVariable: string;
  readonly defaultRef: string;
}

/** In the order in which their keys are looked for. */
const KNOWN_PROVIDERS: Readonly<Record<string, KnownProvider>> = {
  anthropic: { keyVariable: "ANTHROPIC_API_KEY", defaultRef: "anthropic/claude-opus-5" },
  openai: { keyVariable: "OPENAI_API_KEY", defaultRef: "openai/gpt-5.5" },
};

/**
 * @param wanted `provider/model`, `scripted`, or undefined to go by the keys that are set.
 * @throws DemoError when the wanted model's key is missing.
 */
export function chooseModel(wanted: string | undefined, env: NodeJS.ProcessEnv): ChosenModel {
  if (wanted === "scripted") return { kind: "scripted" };
  if (wanted !== undefined) return realModel(wanted, env);
  const found = Object.values(KNOWN_PROVIDERS).find(({ keyVariable }) => isSet(env[keyVariable]));
  return found === undefined ? { kind: "scripted" } : realModel(found.defaultRef, env);
}

function realModel(ref: string, env: NodeJS.ProcessEnv): ChosenModel {
  const provider = ref.slice(0, ref.indexOf("/"));
  const known = KNOWN_PROVIDERS[provider];
  // Only the host knows which variable a provider we do not know reads its key from: it gets all keys then.
  const wanted = known === undefined ? /_API_KEYS?$/ : new RegExp(`^${provider.toUpperCase()}_`);
  const secrets = Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) => (wanted.test(name) && isSet(value) ? [[name, value]] : [])),
  );
  if (known !== undefined && secrets[known.keyVariable] === undefined) {
    throw new DemoError(
      `the model ${ref} needs a key, and ${known.keyVariable} is not set`,
      `Set ${known.keyVariable}, or leave out --model for the scripted model.`,
    );
  }
  return { kind: "real", ref, secrets, keyVariable: known?.keyVariable };
}

function isSet(value: string | undefined): value is string {
  return value !== undefined && value !== "";
}
