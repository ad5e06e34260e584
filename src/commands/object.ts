import type { Context } from "./context.js";
export function objectEncoding(c: Context): void {
  c.reply.error("ERR not there yet");
}
export function objectFreq(c: Context): void {
  c.reply.error("ERR not there yet");
}
export function objectIdleTime(c: Context): void {
  c.reply.error("ERR not there yet");
}
export function objectRefCount(c: Context): void {
  c.reply.error("ERR not there yet");
}
export function memoryUsage(c: Context): void {
  c.reply.error("ERR not there yet");
}
