/** The light entry the host loads for setup, status and a disabled channel. */

import { defineSetupPluginEntry } from "openclaw/plugin-sdk/channel-core";
import { agentruxChannel } from "./host/channel.ts";

const entry: { plugin: typeof agentruxChannel } = defineSetupPluginEntry(agentruxChannel);

export default entry;
