/**
 * bench/lib/servers.ts: start redis-server or kvorum on a free loopback port with a directory of its own, wait until it
 * answers PONG, end it by its pid.
 * Invariants: everything listens on 127.0.0.1 only; a server that a bench started is ended with the bench, however that ends
 * (short of SIGKILL); its directory goes with it unless it was given from outside.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sleep } from "./process-facts.js";

export type Kind = "kvorum" | "redis";

export interface ServerSpec {
  readonly kind: Kind;
  /** How the server is called in tables and messages. */
  readonly label: string;
  /** Options after those that every run has (port, directory, no RDB saves). */
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Use this directory, and leave it there. */
  readonly directory?: string;
  /** kvorum: the built command line to run. */
  readonly entry: string;
  /** How long the server may take until PONG. */
  readonly startMsMax?: number;
}

const START_MS_MAX = 30_000;
const STOP_MS_MAX = 60_000;
const POLL_MS = 2;
const REDIS_PATHS = ["/usr/bin/redis-server", "/usr/local/bin/redis-server", "/opt/homebrew/bin/redis-server"];
const REDIS_BENCHMARK_PATHS = REDIS_PATHS.map((path) => path.replace(/server$/, "benchmark"));

const running: Set<ChildProcess> = new Set();
const directories: Set<string> = new Set();

export function findRedisServer(): string | undefined {
  return REDIS_PATHS.find((path) => existsSync(path));
}

export function findRedisBenchmark(): string | undefined {
  return REDIS_BENCHMARK_PATHS.find((path) => existsSync(path));
}

/** A directory that is removed when the bench ends. */
export function temporaryDirectory(name: string): string {
  const directory = mkdtempSync(join(tmpdir(), `kvorum-bench-${name}-`));
  directories.add(directory);
  return directory;
}

/** End what is still running and remove what is still there. To be called on the way out. */
export function cleanUp(): void {
  for (const child of running) child.kill("SIGKILL");
  for (const directory of directories) rmSync(directory, { recursive: true, force: true });
  running.clear();
  directories.clear();
}

export class RunningServer {
  readonly spec: ServerSpec;
  readonly port: number;
  readonly pid: number;
  readonly directory: string;
  /** From just before the process was made until the first PONG. */
  readonly startMs: number;
  private readonly child: ChildProcess;
  private readonly exited: Promise<void>;

  private constructor(spec: ServerSpec, child: ChildProcess, port: number, directory: string, startMs: number) {
    this.spec = spec;
    this.child = child;
    this.port = port;
    this.pid = child.pid as number;
    this.directory = directory;
    this.startMs = startMs;
    this.exited = exitOf(child);
  }

  static async start(spec: ServerSpec): Promise<RunningServer> {
    const port = await freePort();
    const directory = spec.directory ?? temporaryDirectory(spec.kind);
    mkdirSync(directory, { recursive: true });
    const log = join(directory, "..", `${directory.split("/").at(-1)}.log`);
    const { command, args } = commandLine(spec, port, directory);
    const output = openSync(log, "w");
    const began = performance.now();
    const child = spawn(command, args, {
      stdio: ["ignore", output, output],
      cwd: directory,
      env: { ...process.env, ...spec.env },
    });
    closeSync(output);
    running.add(child);
    directories.add(log);
    child.once("exit", () => running.delete(child));
    const limit = spec.startMsMax ?? START_MS_MAX;
    while (!(await pong(port))) {
      const gone = child.exitCode !== null || child.signalCode !== null;
      if (gone || performance.now() - began > limit) {
        child.kill("SIGKILL");
        const why = gone ? `ended with ${child.exitCode ?? child.signalCode}` : `no PONG within ${limit} ms`;
        throw new Error(`${spec.label}: ${why}\n${readFileSync(log, "utf8").slice(-2000)}`);
      }
      await sleep(POLL_MS);
    }
    return new RunningServer(spec, child, port, directory, performance.now() - began);
  }

  get alive(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Ask it to end; its directory goes too, unless it came from outside. */
  async stop(): Promise<void> {
    // What it would still write is wanted by nobody: a clean stop of a large store takes long.
    await this.kill("SIGKILL");
    if (this.spec.directory !== undefined) return;
    rmSync(this.directory, { recursive: true, force: true });
    directories.delete(this.directory);
  }

  /** Send a signal and wait for the end. The directory stays. */
  async kill(signal: "SIGKILL" | "SIGTERM"): Promise<void> {
    if (!this.alive) return;
    this.child.kill(signal);
    const timer = setTimeout(() => this.child.kill("SIGKILL"), STOP_MS_MAX);
    await this.exited;
    clearTimeout(timer);
  }
}

function exitOf(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve();
    else child.once("exit", () => resolve());
  });
}

function commandLine(spec: ServerSpec, port: number, directory: string): { command: string; args: string[] } {
  const common = ["--port", String(port), "--bind", "127.0.0.1", "--dir", directory];
  if (spec.kind === "kvorum") {
    return { command: process.execPath, args: [spec.entry, "serve", ...common, "--http-port", "0", ...spec.args] };
  }
  const path = findRedisServer();
  if (path === undefined) throw new Error("redis-server is not installed");
  return { command: path, args: [...common, "--save", "", ...spec.args] };
}

/** A port that nobody listened on a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}

/** One inline PING. True when PONG came: not while nobody listens, nor while the data is being loaded. */
function pong(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => socket.write("PING\r\n"));
    socket.once("data", (reply) => {
      resolve(reply.toString("latin1").startsWith("+PONG"));
      socket.destroy();
    });
    socket.once("error", () => resolve(false));
    socket.once("close", () => resolve(false));
    socket.setTimeout(1000, () => socket.destroy());
  });
}
