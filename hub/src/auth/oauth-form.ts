/** The form-encoded bodies of `/oauth/*`. */
import { HubError } from "../errors.ts";

export type OAuthForm = Readonly<Record<string, string>>;

/** @throws HubError INVALID_REQUEST when the field is missing or empty */
export function field(form: OAuthForm, name: string): string {
  const value = form[name];
  if (value === undefined || value === "") throw new HubError("INVALID_REQUEST", `${name} is missing`);
  return value;
}
