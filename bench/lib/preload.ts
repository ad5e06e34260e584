/**
 * bench/lib/preload.ts: the two small C libraries that are loaded into servers under test (LD_PRELOAD): slow-sync.c and
 * turn-probe.c, compiled with gcc into a temporary directory.
 * Invariants: the slow disk is tried out before it is believed: every way in which Node writes through must be slowed.
 */
import { execFileSync } from "node:child_process";
import { closeSync, openSync, readSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { temporaryDirectory } from "./servers.js";

const COMPILER = "gcc";
const TURN_WORDS = 8;
/** The first of them begin anew with each measurement; in this one stands the limit. */
const TURN_WORDS_RESET = 7;
const LIMIT_WORD = 4;
const NS_PER_MS = 1e6;

function compile(name: string): string {
  const source = fileURLToPath(new URL(`${name}.c`, import.meta.url));
  const library = join(temporaryDirectory(name), `${name}.so`);
  try {
    execFileSync(COMPILER, ["-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o", library, source, "-ldl"]);
  } catch (error) {
    throw new Error(`${name}.c: ${(error as Error).message}\n  Debian: apt-get install gcc libc6-dev`);
  }
  return library;
}

/** Prints how long each way of writing through takes, in ms, as JSON. Run under the shim. */
const TRIAL = `
const fs = require("node:fs");
const { O_DSYNC, O_SYNC, O_WRONLY, O_CREAT } = fs.constants;
const took = {};
const plain = fs.openSync(process.argv[1] + "/plain", "w");
const through = fs.openSync(process.argv[1] + "/dsync", O_WRONLY | O_CREAT | O_DSYNC);
const strict = fs.openSync(process.argv[1] + "/sync", O_WRONLY | O_CREAT | O_SYNC);
const bytes = Buffer.alloc(512, 1);
function time(name, act) {
  const began = performance.now();
  act();
  took[name] = performance.now() - began;
}
time("fsync", () => fs.fsyncSync(plain));
time("fdatasync", () => fs.fdatasyncSync(plain));
time("write", () => fs.writeSync(through, bytes));
time("pwrite", () => fs.writeSync(through, bytes, 0, 512, 0));
time("writev", () => fs.writevSync(through, [bytes, bytes]));
time("pwritev", () => fs.writevSync(through, [bytes, bytes], 0));
time("O_SYNC", () => fs.writeSync(strict, bytes, 0, 512, 0));
const began = performance.now();
fs.write(through, bytes, 0, 512, 0, () => {
  took["pwrite in the thread pool"] = performance.now() - began;
  process.stdout.write(JSON.stringify(took));
});
`;

/** @returns the environment that slows a server's syncs. @throws when some way of Node's is not slowed. */
export function slowSync(delayMs: number): Record<string, string> {
  const environment = {
    LD_PRELOAD: compile("slow-sync"),
    BENCH_SYNC_DELAY_US: String(delayMs * 1000),
    UV_USE_IO_URING: "0",
  };
  const directory = temporaryDirectory("trial");
  const env = { ...process.env, ...environment };
  const text = execFileSync(process.execPath, ["-e", TRIAL, directory], { env, encoding: "utf8" });
  for (const [name, ms] of Object.entries(JSON.parse(text) as Record<string, number>)) {
    if (ms < delayMs) throw new Error(`the slow disk is not slow: ${name} took ${ms.toFixed(3)} ms`);
  }
  return environment;
}

export interface Turns {
  readonly turns: number;
  /** By the thread's CPU clock, which runs on while a hypervisor has the processor. */
  readonly longestMs: number;
  readonly over: number;
  /** By samples, which it does not take then; undefined where the system does not allow sampling. */
  readonly sampled: { readonly longestMs: number; readonly over: number } | undefined;
}

/** The CPU time of a server's loop turns, from outside. Start the server with `env`. */
export class TurnProbe {
  readonly env: Readonly<Record<string, string>>;
  private readonly fd: number;
  private readonly limitMs: number;

  /** @param limitMs turns longer than that are counted. */
  constructor(limitMs: number) {
    const path = join(temporaryDirectory("turns"), "figures");
    writeFileSync(path, Buffer.alloc(TURN_WORDS * 8));
    this.fd = openSync(path, "r+");
    this.limitMs = limitMs;
    this.env = { LD_PRELOAD: compile("turn-probe"), BENCH_TURN_FILE: path };
    this.reset();
  }

  /** Begin a new measurement. */
  reset(): void {
    const words = new BigUint64Array(TURN_WORDS_RESET);
    words[LIMIT_WORD] = BigInt(this.limitMs * NS_PER_MS);
    writeSync(this.fd, Buffer.from(words.buffer), 0, words.byteLength, 0);
  }

  /** @throws when no turn was seen: the probe is not in the process. */
  read(): Turns {
    const words = new BigUint64Array(TURN_WORDS);
    readSync(this.fd, Buffer.from(words.buffer), 0, words.byteLength, 0);
    const turns = Number(words[0]);
    if (turns === 0) throw new Error("the turn probe saw no turn");
    const sampled = words[7] === 1n ? { longestMs: Number(words[5]) / NS_PER_MS, over: Number(words[6]) } : undefined;
    return { turns, longestMs: Number(words[1]) / NS_PER_MS, over: Number(words[2]), sampled };
  }

  close(): void {
    closeSync(this.fd);
  }
}
