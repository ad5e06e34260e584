/** platform/process-limits.ts: what the system allows this process, where it tells: Linux does. */
import { readFileSync } from "node:fs";

/** @param name as in /proc/PID/limits. @returns the soft limit; Infinity: none, or it cannot be told. */
export function limitOf(name: "Max open files" | "Max file size"): number {
  try {
    const found = new RegExp(`^${name}\\s+(\\d+)`, "m").exec(readFileSync("/proc/self/limits", "latin1"));
    return found === null ? Number.POSITIVE_INFINITY : Number(found[1]);
  } catch {
    return Number.POSITIVE_INFINITY; // another system
  }
}
