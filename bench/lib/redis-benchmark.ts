/**
 * bench/lib/redis-benchmark.ts: one bounded run of redis-benchmark, with the server's CPU time over it.
 * Invariants: the same program, options and machine for every server; the server's idle CPU, measured before, is taken off.
 */
import { execFile, spawn } from "node:child_process";
import { cpuTime, sleep } from "./process-facts.js";
import { findRedisBenchmark, type RunningServer } from "./servers.js";

export type Test = "set" | "get";

export interface Load {
  readonly test: Test;
  readonly clients: number;
  readonly pipeline: number;
  readonly requests: number;
  /** Size of the key space: key:000000000000 and so on, chosen at random. */
  readonly keys: number;
  readonly valueBytes: number;
}

export interface LoadResult {
  readonly perSecond: number;
  readonly meanMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly mostMs: number;
  /** Microseconds of the server process's CPU per command, all threads, its idle share taken off. */
  readonly cpuMicros: number;
  /** The same of the server's ended children: Redis rewrites its log in one. Not part of cpuMicros. */
  readonly childMicros: number;
}

const RUN_MS_MAX = 300_000;
const IDLE_MS = 1000;
const IDLE_SHARE_MAX = 0.03;
const REST_MS_MAX = 120_000;

function argumentsOf(port: number, load: Load): string[] {
  return [
    ["-h", "127.0.0.1", "-p", String(port), "-t", load.test, "--csv"],
    ["-c", String(load.clients), "-P", String(load.pipeline), "-n", String(load.requests)],
    ["-r", String(load.keys), "-d", String(load.valueBytes)],
  ].flat();
}

function program(): string {
  const path = findRedisBenchmark();
  if (path === undefined) throw new Error("redis-benchmark is not installed");
  return path;
}

function output(args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(program(), args, { timeout: RUN_MS_MAX, encoding: "utf8" }, (error, stdout, stderr) => {
      // It ends with 0 after an error reply too, and says so in words.
      if (error !== null || /error/i.test(stderr)) reject(new Error(`redis-benchmark: ${stderr || error?.message}`));
      else resolve(stdout);
    });
  });
}

/** The one line of figures of a --csv run. Columns: test, rps, avg, min, p50, p95, p99, max (ms). */
export function parseCsv(text: string): Omit<LoadResult, "cpuMicros" | "childMicros"> {
  const line = text.split("\n").find((candidate) => /^"(SET|GET)"/.test(candidate));
  const fields = [...(line ?? "").matchAll(/"([^"]*)"/g)].map((match) => Number(match[1]));
  const [, perSecond, meanMs, , p50Ms, , p99Ms, mostMs] = fields as number[];
  if (perSecond === undefined || mostMs === undefined || !(perSecond > 0)) throw new Error(`not understood: ${text}`);
  return { perSecond, meanMs: meanMs as number, p50Ms: p50Ms as number, p99Ms: p99Ms as number, mostMs };
}

/**
 * CPU that the server takes while nobody asks anything, as a share of one processor. What it still does for the load before
 * (a snapshot, cleaning) is not its rest: that is waited for, or it would be taken off as if it were.
 * @throws when the server does not come to rest.
 */
export async function idleShare(server: RunningServer): Promise<number> {
  return (await rest(server)).share;
}

/** As idleShare. @returns beforeMs: the server's CPU time when its rest began. */
export async function rest(server: RunningServer): Promise<{ readonly share: number; readonly beforeMs: number }> {
  const until = performance.now() + REST_MS_MAX;
  for (;;) {
    const beforeMs = cpuTime(server.pid).ownMs;
    const began = performance.now();
    await sleep(IDLE_MS);
    const share = (cpuTime(server.pid).ownMs - beforeMs) / (performance.now() - began);
    if (share <= IDLE_SHARE_MAX) return { share, beforeMs };
    if (performance.now() > until) throw new Error(`${server.spec.label} does not come to rest`);
  }
}

/** @param idle the server's share at rest (idleShare). */
export async function runLoad(server: RunningServer, load: Load, idle: number): Promise<LoadResult> {
  const before = cpuTime(server.pid);
  const began = performance.now();
  const text = await output(argumentsOf(server.port, load));
  const elapsedMs = performance.now() - began;
  const after = cpuTime(server.pid);
  const ownMs = after.ownMs - before.ownMs - idle * elapsedMs;
  if (ownMs <= 0) throw new Error(`${server.spec.label} answered ${load.requests} commands in no time`);
  return {
    ...parseCsv(text),
    cpuMicros: (ownMs * 1000) / load.requests,
    childMicros: ((after.childrenMs - before.childrenMs) * 1000) / load.requests,
  };
}

/** A load that goes on beside another measurement until it is told to stop. */
export function startLoad(server: RunningServer, load: Load): { stop(): Promise<void> } {
  const child = spawn(program(), argumentsOf(server.port, load), { stdio: "ignore" });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  return {
    async stop() {
      if (child.exitCode !== null) throw new Error("the load beside was over before the measurement");
      child.kill("SIGKILL");
      await ended;
    },
  };
}
