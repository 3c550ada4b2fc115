/** Owns `script`, `grant` and `code`: who may connect, to what, and the code that gets them their credential. */
import type { ConsoleGrant, ConsoleTopic } from "agentrux-wire";
import { consoleGrantSchema, consoleScriptSchema, issueActivationCodeResponseSchema } from "agentrux-wire";
import { z } from "zod";
import { createAdminClient } from "../admin-client.ts";
import { oneOf } from "../args.ts";
import type { Commands } from "../command.ts";
import { locateHub } from "../locate.ts";
import { findScript, findTopic, scriptListSchema, topicListSchema } from "../resolve.ts";
import { table } from "../table.ts";

const grantListSchema = z.looseObject({ grants: z.array(consoleGrantSchema) });

export const scriptCommands: Commands = {
  "script create": {
    usage: "script create NAME [--read TOPIC]... [--write TOPIC]...",
    operands: ["NAME"],
    options: { read: { type: "string", multiple: true }, write: { type: "string", multiple: true } },
    async run(args, io) {
      const client = createAdminClient(locateHub(args, io));
      const request = { name: args.operands[0] ?? "", read: args.list("read"), write: args.list("write") };
      const script = await client.post("/console/scripts", request, consoleScriptSchema);
      const next = `Next: agentrux-hub code issue ${script.script_id}`;
      return {
        json: { script_id: script.script_id },
        text: `Script ${script.name} is made.\n  script_id  ${script.script_id}\n${next}`,
      };
    },
  },

  "script list": {
    usage: "script list",
    operands: [],
    options: {},
    async run(args, io) {
      const client = createAdminClient(locateHub(args, io));
      const { scripts } = await client.get("/console/scripts", scriptListSchema);
      const { topics } = await client.get("/console/topics", topicListSchema);
      const rows = scripts.map((script) => [script.name, script.script_id, grantsText(script.grants ?? [], topics)]);
      return { json: { scripts }, text: table(["NAME", "SCRIPT ID", "MAY"], rows, "There are no scripts yet.") };
    },
  },

  "grant create": {
    usage: "grant create SCRIPT TOPIC --action read|write",
    operands: ["SCRIPT", "TOPIC"],
    options: { action: { type: "string" } },
    async run(args, io) {
      const action = oneOf("action", args.required("action"), ["read", "write"]);
      const client = createAdminClient(locateHub(args, io));
      const script = await findScript(client, args.operands[0] ?? "");
      const topic = await findTopic(client, args.operands[1] ?? "");
      const request = { script_id: script.script_id, topic_id: topic.topic_id, action };
      const grant = await client.post("/console/grants", request, consoleGrantSchema);
      return {
        json: grant,
        text: `${script.name} may now ${action} ${topic.name}, from its next access token on.\n  grant_id  ${grant.grant_id}`,
      };
    },
  },

  "grant revoke": {
    usage: "grant revoke GRANT",
    operands: ["GRANT"],
    options: {},
    async run(args, io) {
      const grantId = args.operands[0] ?? "";
      await createAdminClient(locateHub(args, io)).delete(`/console/grants/${encodeURIComponent(grantId)}`);
      return { json: { grant_id: grantId, revoked: true }, text: `Grant ${grantId} is revoked, at once.` };
    },
  },

  "grant list": {
    usage: "grant list [SCRIPT]",
    operands: ["SCRIPT?"],
    options: {},
    async run(args, io) {
      const client = createAdminClient(locateHub(args, io));
      const [operand] = args.operands;
      const query = operand === undefined ? "" : `?script_id=${(await findScript(client, operand)).script_id}`;
      const { grants } = await client.get(`/console/grants${query}`, grantListSchema);
      const rows = grants.map((grant) => [grant.grant_id, grant.script_id, grant.action, grant.topic_id]);
      return { json: { grants }, text: table(["GRANT ID", "SCRIPT", "ACTION", "TOPIC"], rows, "There are no grants.") };
    },
  },

  "code issue": {
    usage: "code issue SCRIPT [--ttl 1h|6h|24h] [--generation a|b]",
    operands: ["SCRIPT"],
    options: { ttl: { type: "string" }, generation: { type: "string" } },
    async run(args, io) {
      const ttl = oneOf("ttl", args.optional("ttl") ?? "1h", ["1h", "6h", "24h"]);
      const generation = oneOf("generation", args.optional("generation") ?? "a", ["a", "b"]);
      const client = createAdminClient(locateHub(args, io));
      const script = await findScript(client, args.operands[0] ?? "");
      const path = `/console/scripts/${script.script_id}/activation-codes`;
      const issued = await client.post(path, { ttl, generation }, issueActivationCodeResponseSchema);
      return {
        json: issued,
        text: `Activation code for ${script.name}, shown this once, good for one use until ${issued.expires_at}:\n  ${issued.activation_code}`,
      };
    },
  },
};

function grantsText(grants: readonly ConsoleGrant[], topics: readonly ConsoleTopic[]): string {
  const nameOf = (id: string) => topics.find((topic) => topic.topic_id === id)?.name ?? id;
  return grants.map((grant) => `${grant.action} ${nameOf(grant.topic_id)}`).join(", ");
}
