/** Owns what the command line says about itself when asked, or when it was used wrongly. */

/** The command line does not say what to do. Exit status 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

export const HELP = `agentrux-hub: a self-hosted AgenTrux hub

Usage:
  agentrux-hub start [--host ADDRESS] [--port PORT] [--data DIR] [--public-url URL] [--log-level LEVEL]
                     [--refuse-private-webhooks] [--flux-auth]
  agentrux-hub topic create NAME [--retention HOURS]
  agentrux-hub topic list
  agentrux-hub script create NAME [--read TOPIC]... [--write TOPIC]...
  agentrux-hub script list
  agentrux-hub grant create SCRIPT TOPIC --action read|write
  agentrux-hub grant revoke GRANT
  agentrux-hub grant list [SCRIPT]
  agentrux-hub code issue SCRIPT [--ttl 1h|6h|24h] [--generation a|b]
  agentrux-hub invite create TOPIC --action read|write [--ttl SECONDS]
  agentrux-hub invite list TOPIC
  agentrux-hub webhook create TOPIC URL
  agentrux-hub webhook list TOPIC
  agentrux-hub webhook delete WEBHOOK
  agentrux-hub request list
  agentrux-hub request approve USER_CODE [--script SCRIPT | [--read TOPIC]... [--write TOPIC]...] [--reuse-topics]
  agentrux-hub request deny USER_CODE
  agentrux-hub doctor

TOPIC is a topic's name or id, SCRIPT a script's name or id.

Every command:
  --json               print one JSON document as the last line of stdout
  --help, --version

Every command but start talks to a running hub, found by
  --data DIR           its data folder (or AGENTRUX_HUB_DATA; ~/.agentrux-hub when neither is given), or
  --url URL            its address, together with the admin token in AGENTRUX_HUB_ADMIN_TOKEN
  --admin-token TOKEN  the same as a plain argument, which other users of this machine can see

Exit status: 0 done, 1 failed, 2 wrong usage.`;
