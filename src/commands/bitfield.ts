import type { Context } from "./context.js";
export function bitField(c: Context): void {
  c.reply.error("ERR not there yet");
}
export function bitFieldRo(c: Context): void {
  c.reply.error("ERR not there yet");
}
