/** Owns payload objects: announcing and uploading them, and finding out where to download them. */

import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { jsonBody, type AuthorisedHttp } from "./authorised.ts";
import type { Dialect } from "./dialects/dialect.ts";
import type { HttpClient } from "./http.ts";
import type { ObjectInfo, ServiceClient, UploadedObject } from "./types.ts";

/** The slowest line an upload is waited for, in bytes per second. */
const SLOWEST_UPLOAD_BYTES_PER_S = 64 * 1024;
/** Given to every upload, in milliseconds: the vendor's clients give 30 to 60 s. */
const UPLOAD_BASE_MS = 60_000;

/**
 * Stores `bytes` as an object of the topic. In generation B it stays pending until an event refers to it.
 *
 * @throws AgentruxError as the service or the object store answers. Trying again makes a new object; one left behind
 * expires by itself.
 */
export async function createObject(
  authorised: AuthorisedHttp,
  http: HttpClient,
  dialect: Dialect,
  request: Parameters<ServiceClient["createObject"]>[0],
): Promise<UploadedObject> {
  const { bytes, signal } = request;
  const whole = bytes instanceof Uint8Array;
  const sizeBytes = whole ? bytes.byteLength : bytes.size;
  const object = {
    topicId: request.topicId,
    contentType: request.contentType,
    ...(request.filename === undefined ? {} : { filename: request.filename }),
    sizeBytes,
    sha256: whole ? createHash("sha256").update(bytes).digest() : bytes.sha256,
  };
  const wire = dialect.createObject(object);
  const announced = await authorised.json({ method: "POST", path: wire.path, ...jsonBody(wire.body), signal });
  const ticket = dialect.readTicket(announced.document, object);
  const totalMs = UPLOAD_BASE_MS + (sizeBytes / SLOWEST_UPLOAD_BYTES_PER_S) * 1000;
  await http.sendOk({
    method: "PUT",
    path: ticket.url,
    headers: whole ? ticket.headers : { ...ticket.headers, "content-length": String(sizeBytes) },
    body: whole ? bytes : Readable.from(bytes.stream()),
    signal,
    // The store answers only after the last byte.
    timeouts: { headersMs: totalMs, totalMs },
  });
  return ticket.object;
}

/** @throws AgentruxError `not_found` also for an object that is still pending (generation B). */
export async function objectInfo(
  authorised: AuthorisedHttp,
  dialect: Dialect,
  request: Parameters<ServiceClient["objectInfo"]>[0],
): Promise<ObjectInfo> {
  const { path } = dialect.objectInfo(request.topicId, request.objectId);
  const { document } = await authorised.json({ method: "GET", path, signal: request.signal });
  return dialect.readObjectInfo(document, request.objectId);
}
