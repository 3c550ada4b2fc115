/** Owns talking to a child process of a benchmark: calls by name, over Node's own channel. The child ends with us. */

import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { z } from "zod";

/** The methods of a child; arguments and results must survive JSON. */
export type Api<T> = { readonly [K in keyof T]: (...args: never[]) => Promise<unknown> };

const callSchema = z.object({ id: z.number(), method: z.string(), args: z.array(z.unknown()) });
const answerSchema = z.union([
  z.object({ id: z.number(), error: z.string() }),
  z.object({ id: z.number(), value: z.unknown().optional() }),
]);

const STOP_GRACE_MS = 5_000;

/** A running child with the methods of `T`. */
export class Child<T extends Api<T>> {
  readonly #process: ChildProcess;
  readonly #waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  readonly #name: string;
  #lastId = 0;

  /** Starts `file`, whose last act of starting is `serve`. `env` is added to our own environment, `nodeOptions` to our own Node options. */
  constructor(
    name: string,
    file: string,
    options: { readonly env?: NodeJS.ProcessEnv; readonly nodeOptions?: readonly string[] } = {},
  ) {
    this.#name = name;
    this.#process = fork(file, [], {
      execArgv: [...process.execArgv, ...(options.nodeOptions ?? [])],
      env: { ...process.env, ...options.env },
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    this.#process.on("message", (message) => this.#settle(message));
    this.#process.once("exit", (code, signal) => {
      const error = new Error(`${name} has ended (${signal ?? code})`);
      for (const call of this.#waiting.values()) call.reject(error);
      this.#waiting.clear();
    });
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  call<K extends keyof T & string>(method: K, ...args: Parameters<T[K]>): Promise<Awaited<ReturnType<T[K]>>> {
    const id = (this.#lastId += 1);
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve: (value) => resolve(value as Awaited<ReturnType<T[K]>>), reject });
      this.#process.send({ id, method, args }, (error) => {
        if (error !== null) this.#fail(id, error);
      });
    });
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exited = once(this.#process, "exit");
    this.#process.disconnect();
    const timer = setTimeout(() => this.#process.kill("SIGKILL"), STOP_GRACE_MS);
    await exited;
    clearTimeout(timer);
  }

  #settle(message: unknown): void {
    const answer = answerSchema.parse(message);
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if ("error" in answer) waiting?.reject(new Error(`${this.#name}: ${answer.error}`));
    else waiting?.resolve(answer.value);
  }

  #fail(id: number, error: Error): void {
    this.#waiting.get(id)?.reject(error);
    this.#waiting.delete(id);
  }
}

/** The child's side: answers calls with the methods of `api` until the parent lets go. */
export function serve<T extends Api<T>>(api: T): void {
  process.on("message", (message) => {
    const { id, method, args } = callSchema.parse(message);
    void answer(api, method, args).then(
      (value) => process.send?.({ id, value }),
      (error: unknown) =>
        process.send?.({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
    );
  });
  process.once("disconnect", () => process.exit(0));
}

async function answer<T extends Api<T>>(api: T, method: string, args: readonly unknown[]): Promise<unknown> {
  const called: unknown = Reflect.get(api, method);
  if (typeof called !== "function") throw new Error(`no method ${method}`);
  return await (called as (...args: unknown[]) => Promise<unknown>).apply(api, [...args]);
}
