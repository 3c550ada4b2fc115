/** The one secret that may come from the environment: a one-time activation code, for unattended set-ups. */

/** The value of `AGENTRUX_ACTIVATION_CODE`; empty where it is not set. */
export function activationCodeFromEnvironment(environment: NodeJS.ProcessEnv = process.env): string {
  return environment["AGENTRUX_ACTIVATION_CODE"] ?? "";
}
