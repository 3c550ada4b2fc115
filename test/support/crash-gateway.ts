/** A gateway that is killed again and again: by hand, or at a place of the plugin's that it was ordered to die at. */

import fs from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Hub } from "../../scripts/lib/hub.ts";
import { TestGateway } from "./gateway.ts";
import type { TestTopics } from "./topics.ts";

const PRELOAD = new URL("../e2e/fixtures/crash-on-order.ts", import.meta.url);

export class CrashGateway {
  readonly gateway: TestGateway;
  readonly #order: string;

  private constructor(gateway: TestGateway, order: string) {
    this.gateway = gateway;
    this.#order = order;
  }

  /** As {@link TestGateway.prepare}. */
  static async prepare(
    dir: string,
    hub: Hub,
    topics: TestTopics,
    config: Readonly<Record<string, unknown>>,
  ): Promise<CrashGateway> {
    const gateway = await TestGateway.prepare(dir, hub, topics, config);
    const order = path.join(dir, "order");
    const preload = new URL(PRELOAD);
    preload.searchParams.set("order", order);
    gateway.home.env["NODE_OPTIONS"] = `--import=${preload.href}`;
    return new CrashGateway(gateway, order);
  }

  /** Starts it, having forgotten that it died before: the host gives up after three unclean ends in five minutes. */
  async start(): Promise<void> {
    const file = path.join(this.gateway.home.stateDir, "state", "openclaw.sqlite");
    if (fs.existsSync(file)) {
      const db = new DatabaseSync(file, { timeout: 10_000 });
      db.exec("DELETE FROM gateway_boot_lifecycle");
      db.close();
    }
    await this.gateway.start();
  }

  /** The next pass of this place is its end. */
  dieAt(place: string): void {
    fs.rmSync(`${this.#order}.done`, { force: true });
    fs.writeFileSync(`${this.#order}.draft`, place);
    fs.renameSync(`${this.#order}.draft`, this.#order);
  }

  /** Waits until it has died as ordered. @returns whether it did so, and how it ended (128 + 9 after a kill) */
  async died(): Promise<{ readonly asOrdered: boolean; readonly code: number }> {
    const code = await this.gateway.exited();
    return { asOrdered: fs.existsSync(`${this.#order}.done`), code };
  }
}
