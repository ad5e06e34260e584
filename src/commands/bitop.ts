import type { Context } from "./context.js";
export function bitOp(c: Context): void {
  c.reply.error("ERR not there yet");
}
