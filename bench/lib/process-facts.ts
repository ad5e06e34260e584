/**
 * bench/lib/process-facts.ts: what the system knows of a running process: CPU time, resident memory. Read from /proc, from
 * outside, so that measuring costs the measured process nothing.
 * Invariants: all figures are of the whole process, every thread of it. Linux only.
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

/** USER_HZ: the unit of /proc/PID/stat, fixed by the kernel's interface to user space. */
const TICK_MS = 10;
const BLOCK_BYTES = 512;
const STAT_UTIME = 11;
const STAT_STIME = 12;
const STAT_CHILD_UTIME = 13;
const STAT_CHILD_STIME = 14;

export interface CpuTime {
  /** User and system time of the process and all its threads. */
  readonly ownMs: number;
  /** The same of children that ended and were waited for (Redis's log rewrites). */
  readonly childrenMs: number;
}

/** CPU time so far. Resolution 10 ms: measure over a second or more. @throws when the process is gone. */
export function cpuTime(pid: number): CpuTime {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  // The second field, the name, may hold anything but ends at the last bracket.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const ms = (field: number): number => Number(fields[field]) * TICK_MS;
  return {
    ownMs: ms(STAT_UTIME) + ms(STAT_STIME),
    childrenMs: ms(STAT_CHILD_UTIME) + ms(STAT_CHILD_STIME),
  };
}

/** Resident set in bytes. @throws when the process is gone. */
export function rssBytes(pid: number): number {
  const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"));
  if (line === null) throw new Error(`no VmRSS of process ${pid}`);
  return Number(line[1]) * 1024;
}

/** Resident set once it has stopped moving by more than 0.5 % a second, or after `msMax`. */
export async function settledRssBytes(pid: number, msMax: number): Promise<number> {
  const until = performance.now() + msMax;
  let before = rssBytes(pid);
  for (;;) {
    await sleep(1000);
    const now = rssBytes(pid);
    if (Math.abs(now - before) < before * 0.005 || performance.now() > until) return now;
    before = now;
  }
}

/** Bytes on disk (blocks, not lengths) of everything under a directory. Files that vanish meanwhile count nothing. */
export function diskBytes(directory: string): number {
  let total = 0;
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) total += diskBytes(path) / BLOCK_BYTES;
    else total += statSync(path, { throwIfNoEntry: false })?.blocks ?? 0;
  }
  return total * BLOCK_BYTES;
}

/** CPU time the hypervisor gave to others, all processors, ms: a measurement taken meanwhile is worth less. */
export function stolenMs(): number {
  const fields = readFileSync("/proc/stat", "latin1").split("\n", 1)[0]?.trim().split(/\s+/) ?? [];
  return Number(fields[8] ?? 0) * TICK_MS;
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
