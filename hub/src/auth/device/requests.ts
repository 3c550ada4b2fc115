/** Owns making access requests: their two codes, their life, and the answer of B4 and B5 (RFC 8628 section 3.2). */
import type { DeviceAuthorizeResponse } from "agentrux-wire";
import type { HubDeps } from "../../deps.ts";
import { HubError } from "../../errors.ts";
import type { Random } from "../../runtime.ts";
import type { PublicClient } from "../../store/device-port.ts";
import { hashSecret, newSecret } from "../secrets.ts";
import type { Wanted } from "./wanted.ts";

/** Lifetime of a request, from its making to the poll that gets the tokens. */
export const REQUEST_LIFE_MS = 600_000;
const INTERVAL_S = 5;
/** RFC 8628 section 6.1: no vowels, so that no words come out, and nothing that looks like something else. */
const USER_CODE_ALPHABET = "BCDFGHJKLMNPQRSTVWXZ";
const USER_CODE_LENGTH = 8;
const MAX_OPEN_REQUESTS = 1000;
const MAX_TRIES = 5;
/** Ended requests are kept so long, to tell a late client that its code has expired. */
const KEEP_ENDED_MS = 3_600_000;

export interface RequestAccess {
  readonly clientId: string;
  readonly clientHint: string | null;
  readonly wanted: Wanted;
  /** Base of the page that tells a person what to do. */
  readonly baseUrl: string;
}

/** @throws HubError INVALID_CLIENT (400) for a client that is not registered, UNAVAILABLE when too many wait */
export async function requestAccess(deps: HubDeps, request: RequestAccess): Promise<DeviceAuthorizeResponse> {
  const client = await knownClient(deps, request.clientId);
  const deviceCode = newSecret(deps.random, "dvc_");
  const userCode = await storeRequest(deps, client, request, hashSecret(deviceCode));
  return {
    device_code: deviceCode,
    user_code: userCode,
    verification_uri: `${request.baseUrl}/device`,
    verification_uri_complete: `${request.baseUrl}/device?user_code=${userCode}`,
    expires_in: REQUEST_LIFE_MS / 1000,
    interval: INTERVAL_S,
  };
}

async function knownClient(deps: HubDeps, clientId: string): Promise<PublicClient> {
  const client = await deps.store.devices.client(clientId);
  if (client === undefined) throw new HubError("INVALID_CLIENT", "The client_id is not registered", { status: 400 });
  return client;
}

async function storeRequest(
  deps: HubDeps,
  client: PublicClient,
  { clientHint, wanted }: RequestAccess,
  deviceHash: string,
): Promise<string> {
  const createdAt = deps.clock.now();
  for (let tries = 0; tries < MAX_TRIES; tries += 1) {
    const userCode = newUserCode(deps.random);
    const outcome = await deps.store.devices.createRequest(
      {
        deviceHash,
        userCode,
        clientId: client.id,
        clientHint,
        wantedJson: JSON.stringify(wanted),
        createdAt,
        expiresAt: createdAt + REQUEST_LIFE_MS,
        intervalS: INTERVAL_S,
      },
      createdAt - KEEP_ENDED_MS,
      MAX_OPEN_REQUESTS,
    );
    if (outcome === "created") return userCode;
    if (outcome === "full") {
      throw new HubError("UNAVAILABLE", "Too many requests wait for the operator", { retryAfterS: 60 });
    }
  }
  throw new HubError("UNAVAILABLE", "No free user code was found", { retryAfterS: 5 });
}

/** Eight letters in two groups, each equally likely. */
function newUserCode(random: Random): string {
  let letters = "";
  while (letters.length < USER_CODE_LENGTH) {
    for (const byte of random.bytes(USER_CODE_LENGTH)) {
      // 240 is the largest multiple of 20 in a byte: what lies above would favour the first letters.
      if (byte < 240 && letters.length < USER_CODE_LENGTH) {
        letters += USER_CODE_ALPHABET.charAt(byte % USER_CODE_ALPHABET.length);
      }
    }
  }
  return `${letters.slice(0, 4)}-${letters.slice(4)}`;
}
