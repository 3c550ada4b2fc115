/** A process that answers every request with one page from memory. */

import { once } from "node:events";
import { createServer } from "node:http";
import { serve } from "./ipc.ts";
import type { PageServerApi } from "./page-server-api.ts";

const api: PageServerApi = {
  async serve(page) {
    const body = Buffer.from(page);
    const headers = { "Content-Type": "application/json", "Content-Length": body.length };
    const server = createServer((_request, response) => response.writeHead(200, headers).end(body));
    server.listen({ host: "127.0.0.1", port: 0 });
    await once(server, "listening");
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("the page server has no port");
    return `http://127.0.0.1:${address.port}`;
  },
};

serve(api);
