/** The version of this package, as its package.json says: the file lies one folder up from the sources and from dist. */
import { readFileSync } from "node:fs";

export const version: string = readVersion();

function readVersion(): string {
  const document: unknown = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
  if (typeof document === "object" && document !== null && "version" in document) return String(document.version);
  return "unknown";
}
