/**
 * cli/connection.ts: one connection for one command: what a verb of the command line needs, and nothing a library would.
 * Knows the one thing that matters for exit codes: whether the command had left when the connection failed.
 * Invariant: every wait ends, by a reply, an error or the time-out.
 */
import { connect, isIPv6, type Socket } from "node:net";
import Parser from "redis-parser";

export interface Target {
  readonly host: string;
  readonly port: number;
  /** Path of a unix socket; host and port mean nothing then. */
  readonly path?: string;
}

export interface Login {
  readonly password?: string | undefined;
  readonly db: number;
}

/** An error reply of the server; `message` is its text with the code word in front. */
export class ReplyError extends Error {}

/** No reply: refused, closed or timed out. */
export class LinkError extends Error {
  /** The command had been sent, so it may have been carried out. */
  readonly sent: boolean;

  constructor(message: string, sent: boolean) {
    super(message);
    this.sent = sent;
  }
}

export type Reply = string | Buffer | number | null | Reply[];

const DEFAULT_PORT = 6379;

/** `host`, `host:port`, `[::1]:port`, `:port` or a path with a slash; undefined when it is none of these. */
export function parseTarget(text: string): Target | undefined {
  if (text.includes("/")) return { host: "", port: 0, path: text };
  const match = /^(\[[0-9A-Fa-f:.%a-z]+\]|[^\s:[\]]*)(?::([0-9]{1,5}))?$/.exec(text);
  if (match === null) return isIPv6(text) ? { host: text, port: DEFAULT_PORT } : undefined;
  const port = match[2] === undefined ? DEFAULT_PORT : Number(match[2]);
  const host = (match[1] as string).replace(/^\[|\]$/g, "") || "127.0.0.1";
  return port >= 1 && port <= 65535 && text !== "" ? { host, port } : undefined;
}

/** The words as a RESP array of bulk strings, in pieces so that a large value is not copied. */
function encode(words: readonly (string | Buffer)[]): Buffer[] {
  const pieces: Buffer[] = [Buffer.from(`*${words.length}\r\n`)];
  for (const word of words) {
    const bytes = typeof word === "string" ? Buffer.from(word) : word;
    pieces.push(Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from("\r\n"));
  }
  return pieces;
}

/**
 * Connect, log in, run one command, disconnect.
 * @param timeoutMs for all of it.
 * @returns the reply; bulk strings are Buffers.
 * @throws {ReplyError | LinkError}
 */
export async function runCommand(
  target: Target,
  login: Login,
  words: readonly (string | Buffer)[],
  timeoutMs: number,
): Promise<Reply> {
  const link = new Link(target, timeoutMs);
  try {
    await link.connected;
    // An empty variable counts as not given, here as everywhere; an empty password would be none.
    if ((login.password ?? "") !== "") await link.ask(["AUTH", login.password as string], false);
    if (login.db !== 0) await link.ask(["SELECT", String(login.db)], false);
    return await link.ask(words, true);
  } finally {
    link.close();
  }
}

class Link {
  readonly connected: Promise<void>;
  private readonly socket: Socket;
  private readonly where: string;
  private readonly timer: NodeJS.Timeout;
  private settle: { resolve: (reply: Reply) => void; reject: (error: Error) => void } | undefined;
  private failure: LinkError | undefined;
  private sent = false;

  constructor(target: Target, timeoutMs: number) {
    this.where = target.path ?? `${target.host.includes(":") ? `[${target.host}]` : target.host}:${target.port}`;
    this.socket = target.path === undefined ? connect(target.port, target.host) : connect(target.path);
    this.socket.setNoDelay(true);
    const parser = new Parser({
      returnBuffers: true,
      returnReply: (reply: Reply) => this.settle?.resolve(reply),
      // With returnBuffers the text of an error comes as bytes.
      returnError: (error: Error) => this.settle?.reject(new ReplyError(String(error.message))),
      returnFatalError: (error: Error) => this.fail(`answers something that is not RESP: ${error.message}`),
    });
    this.connected = new Promise((resolve, reject) => {
      this.settle = { resolve: () => undefined, reject };
      this.socket.once("connect", resolve);
    });
    this.socket.on("data", (bytes) => parser.execute(bytes));
    this.socket.on("error", (error: NodeJS.ErrnoException) =>
      this.fail(error.code === "ECONNREFUSED" ? "nobody listens there" : error.message),
    );
    this.socket.on("close", () => this.fail("the connection was closed"));
    this.timer = setTimeout(() => this.fail(`no answer within ${timeoutMs} ms`), timeoutMs);
  }

  /** @param matters the command whose fate the caller must know; AUTH and SELECT are not. */
  ask(words: readonly (string | Buffer)[], matters: boolean): Promise<Reply> {
    return new Promise((resolve, reject) => {
      if (this.failure !== undefined) return reject(this.failure);
      this.settle = { resolve, reject };
      this.sent = matters;
      this.socket.cork();
      for (const piece of encode(words)) this.socket.write(piece);
      this.socket.uncork();
    });
  }

  close(): void {
    clearTimeout(this.timer);
    this.socket.destroy();
  }

  private fail(reason: string): void {
    this.failure ??= new LinkError(`${this.where}: ${reason}`, this.sent);
    this.settle?.reject(this.failure);
  }
}
