/** Owns where the host sends what it has to say of one attempt: an address that names command and attempt. */

const ADDRESS = /^(?:agentrux:)?cmd:([0-9a-f]{8,64})~(\d{1,9})$/;

export function addressOf(commandId: string, attempt: number): string {
  return `cmd:${commandId}~${attempt}`;
}

/** What an address names, with or without the channel's prefix; undefined when it is none of ours. */
export function parseAddress(address: string): { readonly commandId: string; readonly attempt: number } | undefined {
  const [, commandId, attempt] = ADDRESS.exec(address.trim().toLowerCase()) ?? [];
  return commandId === undefined ? undefined : { commandId, attempt: Number(attempt) };
}
