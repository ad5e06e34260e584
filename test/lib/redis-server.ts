/**
 * test/lib/redis-server.ts: a real redis-server as a judge: started on a free loopback port with nothing on disk, spoken to
 * in raw bytes, ended with the test.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "./free-ports.js";
import { replyEnd } from "./replies.js";
import { within } from "./within.js";

const PATHS = ["/usr/bin/redis-server", "/usr/local/bin/redis-server", "/opt/homebrew/bin/redis-server"];
const START_MS = 60_000;
const REPLIES_MS = 60_000;

/** Where redis-server is, or undefined after having said on the output that the test is skipped. */
export function findRedisServer(): string | undefined {
  const path = PATHS.find((candidate) => existsSync(candidate));
  if (path === undefined) console.log("SKIPPED: redis-server is not installed");
  return path;
}

export class RedisServer {
  private readonly child: ChildProcess;
  private readonly directory: string;
  private readonly socket: Socket;
  private received: Buffer = Buffer.alloc(0);
  private waiting: (() => void) | undefined;

  private constructor(child: ChildProcess, directory: string, socket: Socket) {
    this.child = child;
    this.directory = directory;
    this.socket = socket;
    socket.on("data", (chunk: Buffer) => {
      this.received = Buffer.concat([this.received, chunk]);
      this.waiting?.();
    });
  }

  static async start(path: string): Promise<RedisServer> {
    const port = await freePort();
    const directory = mkdtempSync(join(tmpdir(), "kvorum-redis-"));
    const options = ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--dir", directory];
    const child = spawn(path, options, { stdio: "ignore" });
    const socket = await within(START_MS, connectRetrying(port), "redis-server to listen");
    return new RedisServer(child, directory, socket);
  }

  /** Send commands in one go. @returns one raw reply per command. */
  async run(commands: readonly (readonly Buffer[])[]): Promise<Buffer[]> {
    this.received = Buffer.alloc(0);
    this.socket.write(Buffer.concat(commands.map(encodeCommand)));
    return within(REPLIES_MS, this.collect(commands.length), `${commands.length} replies`);
  }

  private async collect(count: number): Promise<Buffer[]> {
    const replies: Buffer[] = [];
    let at = 0;
    while (replies.length < count) {
      const end = replyEnd(this.received, at);
      if (end < 0) {
        await new Promise<void>((resolve) => {
          this.waiting = resolve;
        });
        continue;
      }
      replies.push(this.received.subarray(at, end));
      at = end;
    }
    return replies;
  }

  async stop(): Promise<void> {
    this.socket.destroy();
    const ended = new Promise((resolve) => this.child.once("exit", resolve));
    this.child.kill("SIGKILL");
    await within(START_MS, ended, "redis-server to end");
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
  }
}

/** A command as clients send it. */
export function encodeCommand(parts: readonly Buffer[]): Buffer {
  const pieces: Buffer[] = [Buffer.from(`*${parts.length}\r\n`)];
  for (const part of parts) pieces.push(Buffer.from(`$${part.length}\r\n`), part, Buffer.from("\r\n"));
  return Buffer.concat(pieces);
}

function connectOnce(port: number): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(socket));
    socket.once("error", () => resolve(undefined));
  });
}

async function connectRetrying(port: number): Promise<Socket> {
  for (;;) {
    const socket = await connectOnce(port);
    if (socket !== undefined) return socket;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
