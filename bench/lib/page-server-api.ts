/** Owns the floor of pulling: a process that answers every request with one page from memory. */

import path from "node:path";
import { Child } from "./ipc.ts";

export interface PageServerApi {
  /** Listens on loopback; resolves with its URL. */
  serve(page: string): Promise<string>;
}

export async function startPageServer(page: string): Promise<{ readonly url: string; stop(): Promise<void> }> {
  const child = new Child<PageServerApi>("the page server", path.join(import.meta.dirname, "page-server-child.ts"));
  return { url: await child.call("serve", page), stop: () => child.stop() };
}
