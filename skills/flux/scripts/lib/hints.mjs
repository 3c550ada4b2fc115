/**
 * Prints a line soon after something changed, and connects again for ever. What the server pushes is only a hint to look: no
 * token goes this way, and nothing shown comes from it. A line makes a file, and there is no other before whoever read it
 * has removed that, to look then: what comes until then is seen by the same look.
 */

import { writeFileSync } from "node:fs";

if (typeof WebSocket !== "function") process.exit(1);
const [url, subscribe, unread] = process.argv.slice(2);
const parent = process.ppid;
let waiting = false;
const hint = () => {
  if (waiting) return;
  waiting = true;
  setTimeout(() => {
    waiting = false;
    try {
      writeFileSync(unread, "", { flag: "wx" });
    } catch {
      return;
    }
    process.stdout.write("hint\n");
  }, 50);
};
const connect = () => {
  const socket = new WebSocket(url);
  socket.addEventListener("open", () => {
    socket.send(subscribe);
    hint();
  });
  socket.addEventListener("message", ({ data }) => {
    if (!String(data).includes("metrics_update")) hint();
  });
  // An error is always followed by a close.
  socket.addEventListener("close", () => setTimeout(connect, 2000));
};
process.stdout.on("error", () => process.exit());
setInterval(() => {
  if (process.ppid !== parent) process.exit();
}, 1000);
connect();
