import type { Context } from "./context.js";
export function dump(c: Context): void {
  c.reply.error("ERR not there yet");
}
export function restore(c: Context): void {
  c.reply.error("ERR not there yet");
}
