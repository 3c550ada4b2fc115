/** What a script may do at this moment. */
import type { Access, Action } from "../store/port.ts";

/** Whether a script that exists and is not disabled holds a grant now. */
export function mayNow(access: Access | undefined, topicId: string, action: Action): boolean {
  return access !== undefined && access.script.disabledAt === null && access.grants.get(topicId)?.has(action) === true;
}
