/**
 * test/lib/process-trace.ts: the system calls of a running server, in order, seen by strace: the only witness of what was on the disk
 * when a reply left. Files count as durable when opened with O_DSYNC.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { within } from "./within.js";

const STRACE = "/usr/bin/strace";
const CALLS =
  "openat,close,accept4,read,write,writev,pwrite64,pwritev,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat";
const ATTACH_MS = 60_000;
const O_DSYNC = 0o10000;
const BYTES_SHOWN_MAX = 1_000_000;

export interface Call {
  readonly name: string;
  /** As strace writes them: descriptors with their path, strings escaped. */
  readonly args: string;
  /** -1 for an error. */
  readonly result: number;
  /** The first argument when it is a descriptor, else -1; `path` is what it stands for. */
  readonly fd: number;
  readonly path: string;
  /** Places in the one order of beginnings and ends of calls. */
  readonly begin: number;
  readonly end: number;
  /** The descriptor was opened with O_DSYNC. */
  readonly durable: boolean;
}

/** Whether the tests that trace can run here; says loudly when not. */
export function canTrace(): boolean {
  if (existsSync(STRACE)) return true;
  console.log("SKIPPED: strace is not installed");
  return false;
}

export class Trace {
  private readonly child: ChildProcess;
  private readonly file: string;
  private readonly durable: Map<number, boolean>;

  private constructor(child: ChildProcess, file: string, durable: Map<number, boolean>) {
    this.child = child;
    this.file = file;
    this.durable = durable;
  }

  /** Watch a process and its threads from now on. @returns undefined when the system does not allow it (said loudly). */
  static async attach(pid: number, file: string): Promise<Trace | undefined> {
    const options = ["-f", "-y", "-s", String(BYTES_SHOWN_MAX), "-e", `trace=${CALLS}`, "-e", "signal=none"];
    const child = spawn(STRACE, [...options, "-o", file, "-p", String(pid)], { stdio: ["ignore", "ignore", "pipe"] });
    let said = "";
    const attached = new Promise<boolean>((resolve) => {
      child.stderr?.setEncoding("utf8").on("data", (text: string) => {
        said += text;
        if (/attached/.test(said)) resolve(true);
      });
      child.once("close", () => resolve(false));
    });
    if (!(await within(ATTACH_MS, attached, "strace to attach"))) {
      console.log(`SKIPPED: strace may not attach: ${said.trim()}`);
      return undefined;
    }
    return new Trace(child, file, openNow(pid));
  }

  /** Stop watching. @returns every call that ended meanwhile, by the order of their ends. */
  async stop(): Promise<Call[]> {
    const ended = new Promise((resolve) => this.child.once("close", resolve));
    this.child.kill("SIGINT");
    try {
      await within(ATTACH_MS, ended, "strace to let go");
    } finally {
      this.child.kill("SIGKILL");
    }
    return parse(readFileSync(this.file, "latin1"), this.durable);
  }
}

/** The descriptors a process has, and whether they are O_DSYNC. */
function openNow(pid: number): Map<number, boolean> {
  const found = new Map<number, boolean>();
  for (const fd of readdirSync(`/proc/${pid}/fdinfo`)) {
    try {
      const flags = /^flags:\s+([0-7]+)$/m.exec(readFileSync(`/proc/${pid}/fdinfo/${fd}`, "utf8"))?.[1];
      found.set(Number(fd), (Number.parseInt(flags ?? "0", 8) & O_DSYNC) !== 0);
    } catch {
      // Closed meanwhile.
    }
  }
  return found;
}

function parse(text: string, durable: Map<number, boolean>): Call[] {
  const calls: Call[] = [];
  const unfinished = new Map<string, { begin: number; rest: string }>();
  for (const [at, line] of text.split("\n").entries()) {
    const match = /^(\d+) +(.*)$/.exec(line);
    if (match === null) continue;
    const [, pid, what] = match;
    if (what.endsWith("<unfinished ...>")) {
      unfinished.set(pid, { begin: at, rest: what.slice(0, -"<unfinished ...>".length).trimEnd() });
      continue;
    }
    const resumed = /^<\.\.\. (\w+) resumed>(.*)$/.exec(what);
    const before = resumed === null ? undefined : unfinished.get(pid);
    if (resumed !== null && before === undefined) continue; // it began before we watched
    if (before !== undefined) unfinished.delete(pid);
    const whole = before === undefined ? what : before.rest + (resumed?.[2] ?? "");
    const call = parseCall(whole, before?.begin ?? at, at, durable);
    if (call !== undefined) calls.push(call);
  }
  return calls;
}

function parseCall(text: string, begin: number, end: number, durable: Map<number, boolean>): Call | undefined {
  const match = /^(\w+)\((.*)\)\s+= (-?\d+)/.exec(text);
  if (match === null) return undefined;
  const [, name, args, resultText] = match;
  const result = Number(resultText);
  const first = /^(\d+)<([^>]*)>/.exec(args);
  const fd = first === null ? -1 : Number(first[1]);
  if (name === "openat" && result >= 0) durable.set(result, /O_DSYNC|O_SYNC/.test(args));
  if (name === "accept4" && result >= 0) durable.set(result, false);
  const call = { name, args, result, fd, path: first?.[2] ?? "", begin, end, durable: durable.get(fd) === true };
  if (name === "close") durable.delete(fd);
  return call;
}
