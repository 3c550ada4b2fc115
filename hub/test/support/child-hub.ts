/** A hub as a process of its own, to be killed. Prints one line of JSON when its world is whole. */
import { startHub } from "../../src/server.ts";

const [dataDir = "", snapshotEveryMs] = process.argv.slice(2);
const flux = snapshotEveryMs === undefined ? {} : { flux: { snapshotEveryMs: Number(snapshotEveryMs) } };
const hub = await startHub({ dataDir, port: 0, logLevel: "silent", ...flux });
await hub.deps.world.restored;
console.log(JSON.stringify({ url: hub.url }));
// The parent's end of the pipe closing means that the test is over, however it ended.
process.stdin.resume().once("end", () => process.exit(0));
