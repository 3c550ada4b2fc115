/** Owns reading a hint stream (server-sent events), as far as a waiting client needs it. */

import { clientHeaders, Refused } from "./client-http.ts";

const MAX_LINE_CHARS = 64 * 1024;

/**
 * Yields once for each hint, and once when the stream has opened, because events may have come before it. Hints carry
 * no events: pull after each. Ends when the server closes the stream or `signal` aborts.
 *
 * @throws Refused when the server does not open the stream.
 */
export async function* hints(url: string, token: string, signal: AbortSignal): AsyncGenerator<void> {
  const headers = { ...clientHeaders(token), accept: "text/event-stream" };
  const response = await fetch(url, { headers, signal });
  if (!response.ok || response.body === null) {
    throw new Refused(response.status, `the hint stream was refused with HTTP ${response.status}`);
  }
  yield;
  let rest = "";
  for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > MAX_LINE_CHARS) throw new Error("a line of the hint stream is too long");
    if (lines.some((line) => line.startsWith("data:"))) yield;
  }
}
