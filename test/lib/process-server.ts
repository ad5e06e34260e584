/**
 * test/lib/process-server.ts: a server as a process, for tests that kill it, limit it, trace it or break its disk: what it said, how it
 * ended, its memory. Ended by pid, always; its directory goes with it when the test asked for one here.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { freePort } from "./free-ports.js";
import { PROGRAM } from "./program.js";
import { within } from "./within.js";

const ROOT: string = resolve(import.meta.dirname, "../..");
const UP = "Ctrl-C to stop";
const START_MS = 60_000;

export interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
}

export interface ProcessOptions {
  readonly port: number;
  readonly dir: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** What the program is run by: ["strace", "-f", ...]; its last word stands before node. */
  readonly by?: readonly string[];
}

export class ServerProcess {
  readonly port: number;
  /** What it said, both outputs. */
  said = "";
  readonly ended: Promise<Ended>;
  readonly up: Promise<void>;
  private readonly child: ChildProcess;
  private isOver = false;

  private constructor(child: ChildProcess, port: number) {
    this.child = child;
    this.port = port;
    this.ended = new Promise((done, failed) => {
      child.once("error", failed);
      child.once("close", (code, signal) => {
        this.isOver = true;
        done({ code, signal });
      });
    });
    this.up = new Promise((done, failed) => {
      const take = (text: string): void => {
        this.said += text;
        if (this.said.includes(UP)) done();
      };
      child.stdout?.setEncoding("utf8").on("data", take);
      child.stderr?.setEncoding("utf8").on("data", take);
      const ended = ({ code, signal }: Ended): void =>
        failed(new Error(`it ended with ${code ?? signal}: ${this.said}`));
      this.ended.then(ended, failed);
    });
    this.up.catch(() => {}); // a test may want to see how it ends instead
  }

  /** Start without waiting. */
  static launch({ port, dir, args = [], env = {}, by = [] }: ProcessOptions): ServerProcess {
    const words = [...by, ...PROGRAM, "serve", "--port", String(port), "--dir", dir, "--http-port", "0", ...args];
    const child = spawn(words[0], words.slice(1), {
      cwd: ROOT,
      env: { PATH: process.env["PATH"] ?? "", ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    return new ServerProcess(child, port);
  }

  /** Start and wait until it serves. */
  static async start(options: ProcessOptions): Promise<ServerProcess> {
    const server = ServerProcess.launch(options);
    try {
      await within(START_MS, server.up, "the server serves");
      return server;
    } catch (error) {
      await server.end("SIGKILL");
      throw error;
    }
  }

  get pid(): number {
    return this.child.pid as number;
  }

  get over(): boolean {
    return this.isOver;
  }

  signal(name: NodeJS.Signals): void {
    if (!this.isOver) this.child.kill(name);
  }

  /** Ask it to end, and wait; after a while it is killed. */
  async end(signal: NodeJS.Signals = "SIGTERM"): Promise<Ended> {
    this.signal(signal);
    try {
      return await within(START_MS, this.ended, `the server ends by ${signal}: ${this.said}`);
    } finally {
      this.signal("SIGKILL");
    }
  }

  /** Resident memory in bytes, of this very process. */
  memory(): number {
    const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${this.pid}/status`, "utf8"));
    return Number(line?.[1]) * 1024;
  }
}

/** A directory and the servers in it; all gone when `body` is over. */
export async function withDirectory(
  ms: number,
  body: (dir: string, start: (more?: Partial<ProcessOptions>) => Promise<ServerProcess>) => Promise<void>,
): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "kvorum-test-"));
  const servers: ServerProcess[] = [];
  const start = async (more: Partial<ProcessOptions> = {}): Promise<ServerProcess> => {
    const server = ServerProcess.launch({ port: more.port ?? (await freePort()), dir, ...more });
    servers.push(server);
    await within(START_MS, server.up, "the server serves");
    return server;
  };
  try {
    await within(ms, body(dir, start), "the body of the test");
  } finally {
    for (const server of servers) if (!server.over) await server.end("SIGKILL");
    rmSync(dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
  }
}

/** Names of the files in a directory that match. */
export function namesIn(dir: string, pattern: RegExp): string[] {
  return readdirSync(dir).filter((name) => pattern.test(name));
}
