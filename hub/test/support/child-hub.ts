/** A hub as a process of its own, to be killed. Prints one line of JSON when it listens. */
import { startHub } from "../../src/server.ts";

const [dataDir = ""] = process.argv.slice(2);
const hub = await startHub({ dataDir, port: 0, logLevel: "silent" });
console.log(JSON.stringify({ url: hub.url }));
// The parent's end of the pipe closing means that the test is over, however it ended.
process.stdin.resume().once("end", () => process.exit(0));
