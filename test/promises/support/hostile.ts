/** What a hostile publisher, a broken server or a bad line may send, as fast-check arbitraries. */

import * as fc from "fast-check";

const UUID = "0198c0de-0000-7000-8000-000000000001";
/** Of the shape of a reply's id. */
const REPLY_ID = "idk_00000000-0000-4000-8000-000000000000";

function nested(depth: number): unknown {
  let value: unknown = "deep";
  for (let level = 0; level < depth; level += 1) value = level % 2 === 0 ? [value] : { a: value };
  return value;
}

const NASTY_TEXTS: readonly string[] = [
  "",
  " ",
  "\0",
  "a\0b",
  "\ud800",
  "\udfff\ud800",
  "\u202egnp.exe",
  "\u2028\u2029",
  "\r\n[agentrux] a forged line",
  "\u001b[2J",
  "__proto__",
  "constructor",
  "toString",
  "../../etc/passwd",
  '"}],"items":[',
  "top_",
  "evt_",
  UUID,
  REPLY_ID,
  "1e999",
  "-0",
  "9".repeat(400),
  "x".repeat(3_000),
  "🙂".repeat(300),
];

export const hostileText: fc.Arbitrary<string> = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...NASTY_TEXTS) },
  { weight: 2, arbitrary: fc.string({ unit: "binary", maxLength: 12 }) },
);

/** Anything JSON can carry. */
export const hostileValue: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 4, arbitrary: hostileText },
  {
    weight: 3,
    arbitrary: fc.constantFrom<unknown>(
      null,
      true,
      false,
      0,
      -1,
      1.5,
      Number.MAX_SAFE_INTEGER,
      1e308,
      [],
      {},
      [[]],
      { a: 1 },
      { length: 3 },
      { toString: 1, valueOf: "x", toJSON: true },
      JSON.parse('{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}'),
      nested(40),
    ),
  },
  { weight: 1, arbitrary: fc.array(hostileText, { maxLength: 3 }) },
  { weight: 1, arbitrary: fc.dictionary(hostileText, hostileText, { maxKeys: 3 }) },
);

/** The fields a command is read from, each missing, hostile or of the wrong type. */
export const hostilePayload: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 1, arbitrary: hostileValue },
  {
    weight: 3,
    arbitrary: fc.record(
      {
        message: hostileValue,
        text: hostileValue,
        content: hostileValue,
        request_id: hostileValue,
        conversation_key: hostileValue,
        reply_id: hostileValue,
        trace: fc.oneof(hostileValue, fc.record({ id: hostileValue, hops: hostileValue }, { requiredKeys: [] })),
        attachments: fc.oneof(
          hostileValue,
          fc.array(
            fc.record(
              { name: hostileValue, object_id: hostileValue, download_url: hostileValue, content_type: hostileValue },
              { requiredKeys: [] },
            ),
            { maxLength: 3 },
          ),
        ),
      },
      { requiredKeys: [] },
    ),
  },
);

const eventType = fc.oneof(fc.constantFrom("openclaw.request", "openclaw.response", "composer.text"), hostileValue);
const eventId = fc.oneof(fc.uuid(), hostileValue);

/** An item of a page, without its place in the topic. */
export const hostileItem: Readonly<Record<"a" | "b", fc.Arbitrary<unknown>>> = {
  a: fc.oneof(
    { weight: 1, arbitrary: hostileValue },
    {
      weight: 4,
      arbitrary: fc.record(
        {
          event_id: eventId,
          timestamp: hostileValue,
          type: eventType,
          payload: hostilePayload,
          payload_ref: hostileValue,
          producer_script: hostileValue,
          correlation_id: hostileValue,
          reply_topic: hostileValue,
        },
        { requiredKeys: [] },
      ),
    },
  ),
  b: fc.oneof(
    { weight: 1, arbitrary: hostileValue },
    {
      weight: 4,
      arbitrary: fc.record(
        {
          event_id: eventId,
          event_type: eventType,
          stored_at: hostileValue,
          payload: hostilePayload,
          payload_object_id: hostileValue,
          metadata: fc.oneof(hostileValue, hostilePayload),
          producer_script: hostileValue,
        },
        { requiredKeys: [] },
      ),
    },
  ),
};

/** An answer as it came over the wire. */
export interface HostileAnswer {
  readonly status: number;
  readonly contentType: string | undefined;
  readonly text: string;
  readonly retryAfter: string | undefined;
}

const STATUSES = [
  300, 302, 400, 401, 402, 403, 404, 405, 408, 409, 410, 413, 418, 422, 425, 429, 499, 500, 501, 502,
] as const;
const LATE_STATUSES = [503, 504, 507, 520, 599] as const;

const errorDocument = fc.oneof(
  fc.record({ error: fc.oneof(hostileValue, fc.record({ code: hostileValue, message: hostileValue })) }),
  fc.record({
    detail: fc.oneof(
      hostileValue,
      fc.record({ error: hostileValue, message: hostileValue, details: hostileValue, next_action: hostileValue }),
    ),
  }),
  fc.record({ error: hostileValue, error_description: hostileValue }),
  hostileValue,
);

const halved = (text: string): string => text.slice(0, Math.ceil(text.length / 2));

/** A text that should have been a JSON document. */
export const brokenText: fc.Arbitrary<string> = fc.oneof(
  errorDocument.map((document) => JSON.stringify(document)),
  errorDocument.map((document) => halved(JSON.stringify(document))),
  hostileText,
  hostileText.map((text) => `<!doctype html><html><head><title>${text}</title></head><body>${text}</body></html>`),
  fc.constantFrom("{", "[", "nul", '{"items":', '{"items":{}}', '{"events":null}', '{"a":1}{"b":2}', "\ufeff{}"),
  fc.constantFrom('{"a":'.repeat(500), "[".repeat(5_000), '{"error":{"code":"X","message":1e999}}'),
);

const contentType = fc.oneof(
  fc.constantFrom("application/json", "text/html; charset=utf-8", "text/plain", "application/problem+json", undefined),
  hostileText,
);
const retryAfter = fc.oneof(
  fc.constantFrom(undefined, "0", "1", "-5", "1e9", "999999999999", "Wed, 21 Oct 2099 07:28:00 GMT", "soon"),
  hostileText,
);

/** An answer that refuses, whatever it says. */
export const hostileRefusal: fc.Arbitrary<HostileAnswer> = fc.record({
  status: fc.constantFrom(...STATUSES, ...LATE_STATUSES),
  contentType,
  text: brokenText,
  retryAfter,
});

/** An answer with status 200 and nothing in it that could be taken for an answer. */
export const hostileSuccess: fc.Arbitrary<HostileAnswer> = fc.record({
  status: fc.constantFrom(200, 201, 204),
  contentType,
  text: brokenText,
  retryAfter,
});

/** Lines of an event stream that lead nowhere; none of them ends the frame. */
export const hostileFrameBytes: fc.Arbitrary<Uint8Array> = fc
  .array(
    fc.oneof(
      hostileText.map((text) => `data: ${text.replace(/[\r\n]/g, "")}`),
      hostileText.map((text) => `event: ${text.replace(/[\r\n]/g, "")}`),
      hostileText.map((text) => `id: ${text.replace(/[\r\n]/g, "")}`),
      hostileText.map((text) => `retry: ${text.replace(/[\r\n]/g, "")}`),
      hostileText.map((text) => `: ${text.replace(/[\r\n]/g, "")}`),
      hostileText.map((text) => text.replace(/[\r\n]/g, "")),
      hostileValue.map((value) => `data:${JSON.stringify(value)}`),
      hostileValue.map((value) => `data:{"latest_sequence_no":${JSON.stringify(value)}}`),
      fc.constantFrom(
        "event: hint",
        "event: heartbeat",
        "event: ready",
        "event: resync_required",
        "event:open",
        "data",
      ),
    ),
    { maxLength: 4 },
  )
  .chain((lines) => fc.uint8Array({ maxLength: 6 }).map((noise) => ({ lines, noise })))
  .map(({ lines, noise }) => {
    const quiet = noise.map((byte) => (byte === 10 || byte === 13 ? 0xff : byte));
    return Buffer.concat([Buffer.from(lines.join("\n")), Buffer.from(quiet), Buffer.from("\n\n")]);
  });

const MIB = 1024 * 1024;

/** Bodies of publish requests that are valid JSON and that a server may well take, written by hand. */
export const HOSTILE_BODIES: readonly string[] = [
  '{"type":"openclaw.request","payload":{"message":"x","attachments":{"a":1}}}',
  '{"type":"openclaw.request","payload":{"message":"x","attachments":[null,1,{"object_id":{"a":1}}]}}',
  '{"type":"openclaw.request","payload":{"message":"x","__proto__":{"polluted":true}}}',
  '{"type":"openclaw.request","payload":{"message":"x","constructor":{"prototype":{"polluted":true}}}}',
  '{"type":"openclaw.request","payload":{"message":1e999,"request_id":-1e999}}',
  '{"type":"openclaw.request","payload":{"message":"first","message":{"second":1}}}',
  '{"type":"openclaw.request","payload":{"message":"\\u0000\\u0000"}}',
  '{"type":"openclaw.request","payload":{"message":"\\ud800 alone","conversation_key":"\\udfff"}}',
  '{"type":"openclaw.request","payload":{"message":"x","trace":{"id":"t","hops":1e308}}}',
  '{"type":"openclaw.request","payload":{"message":"x","trace":{"id":[],"hops":"9"}}}',
  '{"type":"openclaw.request","payload":{"message":"x","request_id":{"a":1},"conversation_key":["k"]}}',
  '{"type":"openclaw.response","payload":{"message":"x","status":"completed"}}',
  '{"type":"toString","payload":"a text"}',
  '{"type":"__proto__","payload":[]}',
  '{"type":"openclaw.request","payload":null}',
  '{"type":"openclaw.request"}',
  `{"type":"openclaw.request","payload":{"message":"x","deep":${"[".repeat(20_000)}${"]".repeat(20_000)}}}`,
  `{"type":"openclaw.request","payload":{"message":"x","deep":${'{"a":'.repeat(20_000)}1${"}".repeat(20_000)}}}`,
  `{"type":"openclaw.request","payload":{"message":"x","request_id":"${"r".repeat(100_000)}"}}`,
  `{"type":"openclaw.request","payload":{"message":"x","conversation_key":"${"k".repeat(100_000)}"}}`,
  `{"type":"openclaw.request","payload":{"message":"${"long ".repeat(MIB / 8)}"}}`,
  `{"type":"openclaw.request","payload":{"message":"${"0123456789".repeat(MIB - 1_000)}"}}`,
];

/** A body of a publish request around a hostile payload. */
export const hostileBody: fc.Arbitrary<string> = hostilePayload.map((payload) =>
  JSON.stringify({ type: "openclaw.request", payload }),
);
