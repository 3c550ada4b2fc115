/**
 * Tells the host's doctor, which looks for this file by its name, that no state has to be migrated when this plugin takes
 * another's place under the same id. Without an answer the host keeps the other's configuration from being edited for ever.
 * The manifest says the same under `doctorContract`.
 */

export const stateMigrations: readonly never[] = [];
