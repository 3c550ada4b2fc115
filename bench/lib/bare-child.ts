/**
 * The floor of the plugin's figures: a hint stream and a pull loop in undici, with nothing kept. What it takes is what
 * the hub and the loopback take.
 */

import { Pool } from "undici";
import type { BareApi } from "./bare-api.ts";
import { monotonicMs, msSinceStamp } from "./clock.ts";
import { serve } from "./ipc.ts";

interface Item {
  readonly sequence_no: number;
  readonly payload: { readonly message: string };
}

const PAGE = 1_000;
let latenciesMs: number[] = [];

async function page(pool: Pool, token: string, topicId: string, after: number): Promise<Item[]> {
  const { statusCode, body } = await pool.request({
    method: "GET",
    path: `/topics/${topicId}/events?after_sequence_no=${after}&limit=${PAGE}`,
    headers: { authorization: `Bearer ${token}` },
  });
  const text = await body.text();
  if (statusCode !== 200) throw new Error(`the server answered ${statusCode}: ${text.slice(0, 200)}`);
  return (JSON.parse(text) as { items: Item[] }).items;
}

async function follow(pool: Pool, token: string, topicId: string, opened: () => void): Promise<void> {
  let after = 0;
  const { body } = await pool.request({
    method: "GET",
    path: `/topics/${topicId}/events/stream?after_sequence_no=0`,
    headers: { authorization: `Bearer ${token}`, accept: "text/event-stream" },
    bodyTimeout: 0,
  });
  opened();
  for await (const _hint of body) {
    for (let items = await page(pool, token, topicId, after); items.length > 0;) {
      for (const item of items) latenciesMs.push(msSinceStamp(item.payload.message));
      after = items.at(-1)?.sequence_no ?? after;
      items = items.length < PAGE ? [] : await page(pool, token, topicId, after);
    }
  }
}

const api: BareApi = {
  listen({ url, token, topicId }) {
    const pool = new Pool(url, { connections: 2 });
    return new Promise((resolve, reject) => {
      follow(pool, token, topicId, resolve).catch(reject);
    });
  },
  async takeLatencies() {
    const taken = latenciesMs;
    latenciesMs = [];
    return taken;
  },
  async pull({ url, token, topicId }) {
    const pool = new Pool(url, { connections: 1 });
    const begin = monotonicMs();
    let after = 0;
    let count = 0;
    for (let items = await page(pool, token, topicId, after); items.length > 0;) {
      count += items.length;
      after = items.at(-1)?.sequence_no ?? after;
      items = await page(pool, token, topicId, after);
    }
    const elapsedMs = monotonicMs() - begin;
    await pool.close();
    return { count, elapsedMs };
  },
};

serve(api);
