/** Owns where the host sends what it has to say of one attempt: an address that names command and attempt. */

const ADDRESS = /^(?:agentrux:)?cmd:([0-9a-f]{8,64})~\d{1,9}$/;

export function addressOf(commandId: string, attempt: number): string {
  return `cmd:${commandId}~${attempt}`;
}

/** The command an address names, with or without the channel's prefix; undefined when it names none. */
export function commandIdIn(address: string): string | undefined {
  return ADDRESS.exec(address.trim().toLowerCase())?.[1];
}
