/** Owns the notes on the console's API, which only the operator uses. */
import type { OperationNote, OperationNotes } from "./operation.ts";

const common = { tag: "console", caller: "admin" } as const;
const doorRefusals = [401, 403, 429];
const list: Pick<OperationNote, "tag" | "caller" | "status" | "refusals"> = {
  ...common,
  status: 200,
  refusals: doorRefusals,
};
const json = "application/json";

export const CONSOLE_API: OperationNotes = {
  "GET /console/topics": { summary: "All topics", ...list, answer: "Topics" },
  "POST /console/topics": {
    summary: "Make a topic",
    ...common,
    body: "CreateTopicRequest",
    status: 201,
    answer: "Topic",
    refusals: [400, ...doorRefusals, 409, 422],
  },
  "GET /console/topics/{topic_id}/invites": {
    summary: "Invite codes of a topic, without the codes",
    ...list,
    answerType: json,
    refusals: [...doorRefusals, 404],
  },
  "POST /console/topics/{topic_id}/invites": {
    summary: "Make an invite code; shown this once",
    ...common,
    body: "CreateInviteRequest",
    status: 201,
    answer: "CreateInviteResponse",
    refusals: [400, ...doorRefusals, 404, 422],
  },
  "GET /console/topics/{topic_id}/webhooks": {
    summary: "Webhooks of a topic, without their secrets",
    ...list,
    answerType: json,
    refusals: [...doorRefusals, 404],
  },
  "POST /console/topics/{topic_id}/webhooks": {
    summary: "Register a webhook; its signing secret is shown this once",
    ...common,
    body: "CreateWebhookRequest",
    status: 201,
    answer: "CreateWebhookResponse",
    refusals: [400, ...doorRefusals, 404, 409, 422],
  },
  "DELETE /console/webhooks/{webhook_id}": {
    summary: "Remove a webhook",
    ...common,
    status: 204,
    refusals: [...doorRefusals, 404],
  },
  "GET /console/scripts": { summary: "All scripts with their grants", ...list, answer: "Scripts" },
  "POST /console/scripts": {
    summary: "Make a script with its grants",
    ...common,
    body: "CreateScriptRequest",
    status: 201,
    answer: "Script",
    refusals: [400, ...doorRefusals, 404, 422],
  },
  "POST /console/scripts/{script_id}/activation-codes": {
    summary: "Issue an activation code; shown this once",
    ...common,
    body: "IssueActivationCodeRequest",
    status: 201,
    answer: "IssueActivationCodeResponse",
    refusals: [400, ...doorRefusals, 404, 422],
  },
  "GET /console/grants": {
    summary: "All grants, or those of one script",
    ...list,
    parameters: [{ name: "script_id", description: "Only grants of this script", schema: { type: "string" } }],
    answer: "Grants",
  },
  "POST /console/grants": {
    summary: "Grant a script an action on a topic; a grant that exists is returned",
    ...common,
    body: "CreateGrantRequest",
    status: 201,
    answer: "Grant",
    refusals: [400, ...doorRefusals, 404, 422],
  },
  "DELETE /console/grants/{grant_id}": {
    summary: "Revoke a grant, at once and for tokens already issued too",
    ...common,
    status: 204,
    refusals: [...doorRefusals, 404],
  },
  "GET /console/requests": { summary: "Programs that ask for access", ...list, answerType: json },
  "POST /console/requests/{user_code}/approve": {
    summary: "Let a program in",
    ...common,
    bodyType: json,
    status: 200,
    answerType: json,
    refusals: [400, ...doorRefusals, 404, 409, 422],
  },
  "POST /console/requests/{user_code}/deny": {
    summary: "Refuse a program",
    ...common,
    status: 204,
    refusals: [...doorRefusals, 404],
  },
};
