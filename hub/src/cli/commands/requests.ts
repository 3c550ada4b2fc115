/** Owns `request`: programs that ask for access and wait for the operator. */
import { z } from "zod";
import { createAdminClient } from "../admin-client.ts";
import type { Commands } from "../command.ts";
import { locateHub } from "../locate.ts";
import { table } from "../table.ts";

const requestListSchema = z.looseObject({
  requests: z.array(
    z.looseObject({
      user_code: z.string(),
      client_name: z.string(),
      expires_at: z.string(),
      actions: z.array(z.string()).optional(),
      topics: z.array(z.looseObject({ ref: z.string(), name: z.string() })).optional(),
      grants: z.array(z.looseObject({ topic_ref: z.string(), scope: z.string() })).optional(),
    }),
  ),
});
type Request = z.infer<typeof requestListSchema>["requests"][number];

const approvedSchema = z.looseObject({ script_id: z.string(), client_id: z.string() });

export const requestCommands: Commands = {
  "request list": {
    usage: "request list",
    operands: [],
    options: {},
    async run(args, io) {
      const list = await createAdminClient(locateHub(args, io)).get("/console/requests", requestListSchema);
      const rows = list.requests.map((one) => [one.user_code, one.client_name, asksFor(one), one.expires_at]);
      return { json: list, text: table(["CODE", "PROGRAM", "ASKS FOR", "EXPIRES"], rows, "Nobody is waiting.") };
    },
  },

  "request approve": {
    usage: "request approve USER_CODE [--script SCRIPT | [--read TOPIC]... [--write TOPIC]...] [--reuse-topics]",
    operands: ["USER_CODE"],
    options: {
      script: { type: "string" },
      read: { type: "string", multiple: true },
      write: { type: "string", multiple: true },
      "reuse-topics": { type: "boolean" },
    },
    async run(args, io) {
      const code = args.operands[0] ?? "";
      const script = args.optional("script");
      const decision = {
        read: args.list("read"),
        write: args.list("write"),
        reuse_topics: args.flag("reuse-topics"),
        ...(script === undefined ? {} : { script }),
      };
      const client = createAdminClient(locateHub(args, io));
      const path = `/console/requests/${encodeURIComponent(code)}/approve`;
      const approved = await client.post(path, decision, approvedSchema);
      return { json: approved, text: `Approved. The program acts as ${approved.script_id}.` };
    },
  },

  "request deny": {
    usage: "request deny USER_CODE",
    operands: ["USER_CODE"],
    options: {},
    async run(args, io) {
      const code = args.operands[0] ?? "";
      await createAdminClient(locateHub(args, io)).postEmpty(`/console/requests/${encodeURIComponent(code)}/deny`);
      return { json: { user_code: code, denied: true }, text: "Denied." };
    },
  },
};

function asksFor(request: Request): string {
  if (request.grants === undefined) return (request.actions ?? []).map((action) => `${action} topics`).join(", ");
  const nameOf = (ref: string) => request.topics?.find((topic) => topic.ref === ref)?.name ?? ref;
  return `a script to ${request.grants.map((grant) => `${grant.scope} ${nameOf(grant.topic_ref)}`).join(", ")}`;
}
