import type { Context } from "./context.js";
export function lcs(c: Context): void {
  c.reply.error("ERR not there yet");
}
