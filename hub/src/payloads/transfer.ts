/**
 * Owns `PUT` and `GET /objects/{object_id}`: the transfers behind signed URLs (wire spec 9.5). No Authorization and no
 * User-Agent is asked for, and no redirect is ever answered. What others uploaded is handed out as a download only,
 * never as a page that a browser would run under the hub's name.
 */
import { pipeline } from "node:stream/promises";
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import { UUID_PATTERN } from "agentrux-wire";
import type { HubDeps } from "../deps.ts";
import { HubError } from "../errors.ts";
import type { HubApp, HubContext } from "../http/context.ts";
import type { PayloadObject } from "../store/port.ts";
import type { ObjectFiles } from "./files.ts";
import { watchIdle, watched } from "./idle.ts";
import type { PayloadObjects } from "./objects.ts";
import { isReadable } from "./objects.ts";
import type { UrlClaims, UrlSigner } from "./signed-urls.ts";

const DEFAULT_CONTENT_TYPE = "application/octet-stream";

export interface TransferParts {
  readonly objects: PayloadObjects;
  readonly files: ObjectFiles;
  readonly urls: UrlSigner;
}

export function registerTransferRoutes(app: HubApp, deps: HubDeps, { objects, files, urls }: TransferParts): void {
  const bytesIn = deps.metrics.counter(
    "agentrux_hub_payload_received_bytes_total",
    "Bytes of payload objects received",
  );
  const bytesOut = deps.metrics.counter("agentrux_hub_payload_sent_bytes_total", "Bytes of payload objects sent");

  /** An unknown object and a wrong signature have the same answer. */
  async function authorized(c: HubContext, method: UrlClaims["method"]): Promise<PayloadObject> {
    const objectId = c.req.param("object_id") ?? "";
    const object = UUID_PATTERN.test(objectId) ? await deps.store.objects.get(objectId) : undefined;
    const claims = { method, objectId, contentType: object?.contentType ?? null };
    urls.verify(claims, { expires: c.req.query("expires"), signature: c.req.query("signature") }, deps.clock.now());
    if (object === undefined) throw new HubError("NOT_FOUND", "The payload object has expired");
    return object;
  }

  app.put("/objects/:object_id", async (c) => {
    const object = await authorized(c, "PUT");
    const { incoming } = c.env;
    requireAnnouncedType(object, incoming.headers["content-type"]);
    requireAnnouncedSize(object, incoming.headers["content-length"]);
    const idle = watchIdle(deps.config.objectIdleMs, () => incoming.destroy());
    try {
      await objects.upload(object, incoming, idle.moved);
    } finally {
      idle.stop();
    }
    bytesIn.inc(object.sizeBytes);
    return c.body(null, 200);
  });

  app.get("/objects/:object_id", async (c) => {
    const object = await authorized(c, "GET");
    const content = isReadable(object) ? await files.read(object.id) : undefined;
    if (content === undefined) throw new HubError("NOT_FOUND", "The payload object has no content yet");
    const headers = {
      "Content-Type": object.contentType ?? DEFAULT_CONTENT_TYPE,
      "Content-Length": String(content.sizeBytes),
      "Content-Disposition": contentDisposition(object.filename),
      "X-Content-Type-Options": "nosniff",
      "Content-Security-Policy": "default-src 'none'; sandbox",
      "Cache-Control": "private, no-store",
    };
    const { outgoing } = c.env;
    if (c.req.method === "HEAD") return c.body(null, 200, headers);
    outgoing.writeHead(200, headers);
    const idle = watchIdle(deps.config.objectIdleMs, () => outgoing.destroy());
    try {
      await pipeline(watched(content.stream(), idle.moved), outgoing);
      bytesOut.inc(content.sizeBytes);
    } catch (error) {
      // The head is sent: all that is left is to break off, so that the reader sees a short body as an error.
      outgoing.destroy();
      deps.log.debug({ err: error, objectId: object.id }, "download broke off");
    } finally {
      idle.stop();
    }
    return RESPONSE_ALREADY_SENT;
  });
}

/** Generation B's uploads carry exactly the headers they were told to; generation A's promise nothing. */
function requireAnnouncedType(object: PayloadObject, given: string | undefined): void {
  if (object.generation === "a" || object.contentType === null || given === object.contentType) return;
  throw new HubError("FORBIDDEN", `The upload must carry the header Content-Type: ${object.contentType}`);
}

/** A wrong length is told before the body is sent; without one the bytes are counted as they come. */
function requireAnnouncedSize(object: PayloadObject, given: string | undefined): void {
  if (given === undefined || Number(given) === object.sizeBytes) return;
  const message = `${object.sizeBytes} bytes were announced, not ${given}`;
  throw new HubError(Number(given) > object.sizeBytes ? "PAYLOAD_TOO_LARGE" : "INVALID", message);
}

/** RFC 6266, with the name in RFC 8187's encoding only: no quoting to get wrong. */
function contentDisposition(filename: string | null): string {
  const name = filename?.replace(/[/\\]/g, "_");
  if (name === undefined || name === "") return "attachment";
  const encoded = encodeURIComponent(name.toWellFormed()).replace(
    /['()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `attachment; filename*=UTF-8''${encoded}`;
}
