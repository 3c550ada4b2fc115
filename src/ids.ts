/** The two ids the host knows us by, and where each belongs (SDK spec, section 0.2). */

/** Manifest id: `plugins.entries.<id>`, `plugins.allow`, the install folder. */
export const PLUGIN_ID = "agentrux-openclaw-plugin";

/** Channel id: `channels.<id>`, session keys, target prefix, log prefix. */
export const CHANNEL_ID = "agentrux";
