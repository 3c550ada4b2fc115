/** Publishes whatever text it is given, as a hostile script would that has a grant. */

import { createScript, issueActivationCode } from "../../hub/src/admin/operations.ts";
import type { Place } from "../account/support.ts";

export interface RawPublisher {
  /** Posts `body` as it is to the command topic; the status of the answer. */
  post(body: string): Promise<number>;
}

export async function rawPublisher(place: Place): Promise<RawPublisher> {
  const { hub, keys } = place;
  const script = await createScript(hub.deps, { name: "raw", write: [keys.commandTopicId] });
  const { code } = await issueActivationCode(hub.deps, { script: script.id });
  const send = (path: string, body: string, authorization: Readonly<Record<string, string>> = {}): Promise<Response> =>
    fetch(hub.url + path, {
      method: "POST",
      headers: { "content-type": "application/json", ...authorization },
      body,
      signal: AbortSignal.timeout(30_000),
    });
  const credentials = await (await send("/auth/activate", JSON.stringify({ activation_code: code }))).text();
  const { script_id, client_secret } = JSON.parse(credentials) as Record<string, string>;
  const issued = await send("/auth/token", JSON.stringify({ script_id, client_secret }));
  const { access_token: token } = (await issued.json()) as { access_token: string };
  return {
    async post(body) {
      const answer = await send(`/topics/${keys.commandTopicId}/events`, body, { authorization: `Bearer ${token}` });
      await answer.arrayBuffer();
      return answer.status;
    },
  };
}
