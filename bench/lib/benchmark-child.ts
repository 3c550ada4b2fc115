/** A process that runs one benchmark and hands over its figures. */

import { serve } from "./ipc.ts";
import { loadBenchmark } from "./catalogue.ts";
import type { BenchmarkApi } from "./runner.ts";

const api: BenchmarkApi = {
  async run(name, options) {
    return await (await loadBenchmark(name)).run(options);
  },
};

serve(api);
