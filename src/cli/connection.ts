/**
 * cli/connection.ts: one connection for one command: what a verb of the command line needs, and nothing a library would.
 * Knows the one thing that matters for exit codes: whether the command had left when the connection failed.
 * Invariant: every wait ends, by a reply, an error or the time-out.
 */
import { connect, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import Parser from "redis-parser";
import type { Target } from "./target.js";

export interface Login {
  readonly password?: string | undefined;
  readonly db: number;
  /** For TLS, in PEM. Of the authority that signed the server's certificate; without it those that Node knows. */
  readonly cacert?: Buffer | undefined;
  /** What this client shows, where servers ask for it. */
  readonly cert?: Buffer | undefined;
  readonly key?: Buffer | undefined;
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
  const link = new Link(target, login, timeoutMs);
  // What the address says is meant for this server; the environment is for any.
  const password = target.password ?? login.password ?? "";
  const user = target.password === undefined || target.user === undefined ? [] : [target.user];
  const db = login.db !== 0 ? login.db : (target.db ?? 0);
  try {
    await link.connected;
    // An empty variable counts as not given, here as everywhere; an empty password would be none.
    if (password !== "") await link.ask(["AUTH", ...user, password], false);
    if (db !== 0) await link.ask(["SELECT", String(db)], false);
    return await link.ask(words, true);
  } finally {
    link.close();
  }
}

function open(target: Target, { cacert, cert, key }: Login): Socket {
  const { host, port, path, tls } = target;
  if (path !== undefined) return connect(path);
  if (tls !== true) return connect(port, host);
  // An address is no name that could be asked for.
  const name = isIP(host) === 0 ? { servername: host } : {};
  try {
    return connectTls({
      host,
      port,
      ...name,
      ...(cacert && { ca: cacert }),
      ...(cert && { cert }),
      ...(key && { key }),
    });
  } catch (error) {
    throw new LinkError(`--cacert, --cert and --key cannot be used: ${(error as Error).message}`, false);
  }
}

/** Alerts about a client's certificate. */
const REFUSED_CLIENT = /^ERR_SSL_.*ALERT_(?:.*CERTIFICATE.*|UNKNOWN_CA|ACCESS_DENIED)$/;

function inWords({ code, message }: NodeJS.ErrnoException): string {
  if (code === "ECONNREFUSED") return "nobody listens there";
  if (/wrong version number|packet length too long/.test(message)) return "it does not speak TLS";
  if (/^ERR_SSL_.*CERTIFICATE_REQUIRED$/.test(code ?? "")) return "it wants a certificate: give --cert and --key";
  const unknown = /^(SELF_SIGNED|DEPTH_ZERO_SELF_SIGNED|UNABLE_TO)_/.test(code ?? "");
  return unknown ? `${message}: --cacert names the certificate of the authority to believe` : message.trim();
}

class Link {
  readonly connected: Promise<void>;
  private readonly socket: Socket;
  private readonly where: string;
  private readonly timer: NodeJS.Timeout;
  private settle: { resolve: (reply: Reply) => void; reject: (error: Error) => void } | undefined;
  private failure: LinkError | undefined;
  private sent = false;

  constructor(target: Target, login: Login, timeoutMs: number) {
    this.where = target.path ?? `${target.host.includes(":") ? `[${target.host}]` : target.host}:${target.port}`;
    this.socket = open(target, login);
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
      this.socket.once(target.tls === true ? "secureConnect" : "connect", resolve);
    });
    this.socket.on("data", (bytes) => parser.execute(bytes));
    this.socket.on("error", (error: NodeJS.ErrnoException) => {
      // The server has refused this client in the handshake, of which TLS 1.3 tells only once a command has left: it was not read.
      if (REFUSED_CLIENT.test(error.code ?? "")) this.sent = false;
      this.fail(inWords(error));
    });
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
