/** Owns `/topics/{topic_id}/payloads` in both dialects: announcing an object, and asking for its download URL. */
import type { CreatePayloadResponseA, CreatePayloadResponseB, PayloadInfoA, PayloadInfoB } from "agentrux-wire";
import {
  bareObjectId,
  createPayloadRequestASchema,
  createPayloadRequestBSchema,
  prefixedObjectId,
  sha256ToHex,
} from "agentrux-wire";
import type { TopicCall } from "../auth/access.ts";
import { authorizeTopic } from "../auth/access.ts";
import type { HubDeps } from "../deps.ts";
import { HubError, isHubError } from "../errors.ts";
import { requestBase } from "../http/base-url.ts";
import { SMALL_BODY_BYTES, checked, parseJson, readText } from "../http/body.ts";
import type { HubApp, HubContext } from "../http/context.ts";
import type { PayloadObject } from "../store/port.ts";
import { isoTime } from "../time.ts";
import type { PayloadObjects } from "./objects.ts";
import { isReadable } from "./objects.ts";
import type { UrlClaims, UrlSigner } from "./signed-urls.ts";

interface SignedUrl {
  readonly url: string;
  /** Epoch milliseconds. */
  readonly expiresAt: number;
}

export function registerObjectMetadataRoutes(
  app: HubApp,
  deps: HubDeps,
  objects: PayloadObjects,
  urls: UrlSigner,
): void {
  function signedUrl(c: HubContext, method: UrlClaims["method"], object: PayloadObject): SignedUrl {
    const lifeMs = method === "PUT" ? deps.config.ttls.uploadUrlMs : deps.config.ttls.downloadUrlMs;
    const expiresAt = deps.clock.now() + lifeMs;
    const path = urls.sign({ method, objectId: object.id, expiresAt, contentType: object.contentType });
    return { url: requestBase(c, deps) + path, expiresAt };
  }

  app.post("/topics/:topic_id/payloads", async (c) => {
    const { caller, topic, dialect } = await authorizeTopic(c, deps, "write");
    const body = parseJson(await readText(c, SMALL_BODY_BYTES));
    const common = { topic, producer: caller.scriptId, generation: dialect };
    if (dialect === "a") {
      const request = checked(createPayloadRequestASchema, body);
      const object = await objects.create({
        ...common,
        contentType: request.content_type,
        filename: request.filename ?? null,
        sizeBytes: request.size,
        sha256: hexOrNull(request.hash),
      });
      const upload = signedUrl(c, "PUT", object);
      return c.json<CreatePayloadResponseA>(
        {
          object_id: object.id,
          upload_url: upload.url,
          expiration: isoTime(upload.expiresAt),
          download_url: signedUrl(c, "GET", object).url,
        },
        201,
      );
    }
    const request = checked(createPayloadRequestBSchema, body);
    const object = await objects.create({
      ...common,
      contentType: request.content_type ?? null,
      filename: null,
      sizeBytes: request.size_bytes,
      sha256: hexOrNull(request.checksum_sha256),
    });
    return c.json<CreatePayloadResponseB>(
      {
        payload_object_id: prefixedObjectId(object.id),
        presigned_put_url: signedUrl(c, "PUT", object).url,
        required_headers: object.contentType === null ? {} : { "Content-Type": object.contentType },
      },
      201,
    );
  });

  app.get("/topics/:topic_id/payloads/:object_id", async (c) => {
    const object = await deps.store.objects.get(bareObjectId(c.req.param("object_id")).toLowerCase());
    const { topic, dialect } = await authorizeReader(c, object);
    if (object === undefined || object.topicId !== topic.id || !isReadable(object)) {
      throw new HubError("NOT_FOUND", "No such payload object, or it is not published yet");
    }
    const download = signedUrl(c, "GET", object);
    if (dialect === "a") {
      return c.json<PayloadInfoA>({
        object_id: object.id,
        content_type: object.contentType,
        size: object.sizeBytes,
        download_url: download.url,
        expiration: isoTime(download.expiresAt),
      });
    }
    return c.json<PayloadInfoB>({
      presigned_get_url: download.url,
      content_type: object.contentType,
      size_bytes: object.sizeBytes,
    });
  });

  /** Readers of a topic may see its objects; a writer may see those it made. */
  async function authorizeReader(c: HubContext, object: PayloadObject | undefined): Promise<TopicCall> {
    try {
      return await authorizeTopic(c, deps, "read");
    } catch (error) {
      if (!isHubError(error, "FORBIDDEN")) throw error;
      const call = await authorizeTopic(c, deps, "write");
      if (object?.producer !== call.caller.scriptId) throw error;
      return call;
    }
  }
}

function hexOrNull(checksum: string | null | undefined): string | null {
  return typeof checksum === "string" ? (sha256ToHex(checksum) ?? null) : null;
}
