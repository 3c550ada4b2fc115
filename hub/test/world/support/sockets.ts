/** The hub's own WebSocket library, for tests of the plugin that need a server which misbehaves. */
export { WebSocketServer } from "ws";
export type { WebSocket } from "ws";
