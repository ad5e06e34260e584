/**
 * index.ts: `import { open } from "kvorum"`: the server's engine inside this process, with sockets for others or without.
 * It must never: end the process, install a signal handler, write to the terminal, or keep state outside the nodes it opened.
 * Invariants: what close() resolves to is on disk; a second close() is the first.
 */
import type RedisParser from "redis-parser";
import type { Commands } from "./client/commands.js";
import { type ConfigInput, configFromOptions } from "./config/load.js";
import { type NodeEnd, type RunningNode, start } from "./node.js";
import { Pipes } from "./pipe.js";

export type {
  Argument,
  Commands as Client,
  CommandWords,
  Integer,
  Reply,
  ScanOptions,
  SetOptions,
} from "./client/commands.js";
export { type Applied, StoreError } from "./client/store-error.js";
export type { NodeEnd } from "./node.js";

export type LogLevel = "debug" | "verbose" | "notice" | "warning";

/**
 * The server's options in camelCase, and these. Without `port` and `unixsocket` nothing listens; `port: 0` takes any free port.
 */
export type OpenOptions = ConfigInput & {
  /** Keep everything in memory: nothing outlives the node, and `dir` is not touched. */
  readonly memory?: boolean;
  /** HTTP, on `httpPort` or on any free one. `httpPort` alone asks for it too. */
  readonly http?: boolean;
  /** What the node has to say; absent: nothing. */
  readonly log?: (level: LogLevel, text: string) => void;
};

export interface Node extends AsyncDisposable {
  /** For any client of Redis: "redis://127.0.0.1:7000", or a unix socket's path; undefined when nothing listens. */
  readonly url: string | undefined;
  /** The TCP port that was taken; undefined when there is none. */
  readonly port: number | undefined;
  /** "http://127.0.0.1:7379"; undefined: no HTTP. */
  readonly httpUrl: string | undefined;
  /** Resolves when the node ended by itself: its disk failed (code 74), or a client asked with SHUTDOWN (code 0). */
  readonly ended: Promise<NodeEnd>;
  /** A client in this process, logged in; each is a connection of its own (SELECT, MULTI, WATCH). */
  client(): Commands;
  /** Answer what was asked, flush, sync, let go of the directory. @throws when the disk refused. */
  close(): Promise<void>;
}

/**
 * Open a node and recover its data.
 * @throws an error with `exitCode`: configuration 64, corrupt data 65, port in use 69, disk 74, directory in use 75.
 */
export async function open(options: OpenOptions = {}): Promise<Node> {
  const { memory, http, log, ...input } = options;
  const config = configFromOptions(input, process.cwd());
  const { default: Parser } = await import("redis-parser");
  const running = await start(config, { memory: memory === true, http: http === true, log: log ?? (() => {}) });
  return new EmbeddedNode(running, Parser);
}

class EmbeddedNode implements Node {
  readonly url: string | undefined;
  readonly port: number | undefined;
  readonly httpUrl: string | undefined;
  readonly ended: Promise<NodeEnd>;
  private readonly running: RunningNode;
  private readonly pipes: Pipes;
  private closing: Promise<void> | undefined;

  constructor(running: RunningNode, Parser: typeof RedisParser) {
    this.running = running;
    this.pipes = new Pipes(Parser, running.server, () => running.config.requirepass);
    this.ended = running.failed;
    const [http] = running.http?.addresses ?? [];
    this.httpUrl = http === undefined ? undefined : `http://${http}`;
    const tcp = running.listeners.find(({ port }) => port > 0);
    this.port = tcp?.port;
    this.url =
      tcp === undefined ? running.listeners[0]?.path : urlOf(tcp.host, tcp.port, tcp.port === running.config.tlsPort);
  }

  client(): Commands {
    return this.pipes.client("embedded:0");
  }

  close(): Promise<void> {
    this.closing ??= this.closeOnce();
    return this.closing;
  }

  private async closeOnce(): Promise<void> {
    // What was asked before this call is on its way for one more microtask, or held because the server did not read.
    await undefined;
    this.pipes.handOver();
    try {
      await this.running.stop();
    } finally {
      this.pipes.end();
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function urlOf(host: string, port: number, tls: boolean): string {
  const reachable = host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host;
  return `${tls ? "rediss" : "redis"}://${reachable.includes(":") ? `[${reachable}]` : reachable}:${port}`;
}
