/** Where the channel's secrets stand; the host looks for this file by its name, dist/secret-contract-api.js. */

export { collectRuntimeConfigAssignments, secretTargetRegistryEntries } from "./host/secrets.ts";
