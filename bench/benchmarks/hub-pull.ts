/** What the hub serves to a reader that pulls. */

import path from "node:path";
import { Pool } from "undici";
import { type Benchmark, type RunOptions } from "../lib/benchmark.ts";
import type { Figure } from "../lib/figure.ts";
import type { Sender } from "../lib/load.ts";
import { startPageServer } from "../lib/page-server-api.ts";
import { type Pair, Place } from "../lib/place.ts";
import { measureRate } from "../lib/rounds.ts";

const PAGES = [100, 1_000] as const;
/** A multiple of every page, so that each page is full. */
const EVENTS = 50_000;

interface Source {
  readonly url: string;
  readonly pair: Pair;
  readonly page: number;
}

/** Pulls pages one after the other, as a draining client does; from the beginning again at the end. */
function reader(pool: Pool, { pair, page }: Source): Sender {
  let after = 0;
  return async () => {
    const { statusCode, body } = await pool.request({
      method: "GET",
      path: `/topics/${pair.commandTopicId}/events?after_sequence_no=${after}&limit=${page}`,
      headers: { authorization: `Bearer ${pair.askerToken}` },
    });
    const text = await body.text();
    if (statusCode !== 200) throw new Error(`the server answered ${statusCode}: ${text.slice(0, 200)}`);
    const { items } = JSON.parse(text) as { items: readonly { readonly sequence_no: number }[] };
    if (items.length !== page) throw new Error(`a page of ${items.length} events where ${page} were asked for`);
    after = (items.at(-1)?.sequence_no ?? 0) % EVENTS;
  };
}

async function pullRate(source: Source, options: RunOptions): Promise<Pick<Figure, "value" | "latency" | "samples">> {
  const pool = new Pool(source.url, { connections: 1 });
  const rate = await measureRate([reader(pool, source)], source.page, options);
  await pool.close();
  return rate;
}

async function bareRate(place: Place, source: Source, options: RunOptions): Promise<number> {
  const { pair, page } = source;
  const response = await fetch(`${place.eventsUrl(pair.commandTopicId)}?after_sequence_no=0&limit=${page}`, {
    headers: { authorization: `Bearer ${pair.askerToken}` },
  });
  if (!response.ok) throw new Error(`the hub answered ${response.status}`);
  const server = await startPageServer(await response.text());
  try {
    return (await pullRate({ ...source, url: server.url }, options)).value;
  } finally {
    await server.stop();
  }
}

export const benchmark: Benchmark = {
  method:
    "One undici connection pulls a topic of 50,000 events of 1 KB page by page and parses each page, for 3 s; median of 3 " +
    "runs after one to warm up. The floor is the same loop against a bare node:http server that answers with such a page from memory.",
  async run(options) {
    const place = await Place.open(path.join(options.dir, "place"));
    try {
      const pair = await place.pair();
      await place.fill(pair, EVENTS);
      const figures: Figure[] = [];
      for (const page of PAGES) {
        const source = { url: place.hub.url, pair, page };
        figures.push({
          id: `hub/pull/${page}`,
          what: `pull, pages of ${page.toLocaleString("en-US")}`,
          unit: "events/s",
          better: "higher",
          ...(await pullRate(source, options)),
          floor: {
            what: "the same page from the memory of a bare node:http",
            value: await bareRate(place, source, options),
          },
        });
      }
      return figures;
    } finally {
      await place.close();
    }
  },
};
