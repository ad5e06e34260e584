import type { Context } from "./context.js";
export function setBit(c: Context): void {
  c.reply.error("ERR not there yet");
}
export function getBit(c: Context): void {
  c.reply.error("ERR not there yet");
}
export function bitCount(c: Context): void {
  c.reply.error("ERR not there yet");
}
export function bitPos(c: Context): void {
  c.reply.error("ERR not there yet");
}
