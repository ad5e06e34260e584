/**
 * test/lib/process-client.ts: a plain connection to a server that may die at any moment: commands go out at once, each promise is
 * settled by its reply, an error reply being a value (a ReplyError), and rejected only when the connection is gone.
 */
import { connect as connectSocket, type Socket } from "node:net";
import Parser from "redis-parser";
import { within } from "./within.js";

export type Word = string | Buffer | number;
export type Reply = string | Buffer | number | null | Error | Reply[];

const WAIT_MS = 90_000;

export class Connection {
  readonly socket: Socket;
  /** Bulk strings come as Buffers. */
  buffers = false;
  closed = false;
  private readonly waiting: { resolve: (reply: Reply) => void; reject: (error: Error) => void }[] = [];

  private constructor(socket: Socket) {
    this.socket = socket;
    const parser = new Parser({
      returnBuffers: true,
      returnReply: (reply: unknown) => this.waiting.shift()?.resolve(this.shaped(reply)),
      returnError: (error) => this.waiting.shift()?.resolve(new Error(String(error.message))),
      returnFatalError: () => socket.destroy(),
    });
    socket.setNoDelay(true);
    socket.on("data", (bytes) => parser.execute(bytes));
    socket.on("error", () => {}); // 'close' follows
    socket.on("close", () => {
      this.closed = true;
      for (const { reject } of this.waiting.splice(0)) reject(new Error("the connection is gone"));
    });
  }

  static async open(port: number, host = "127.0.0.1"): Promise<Connection> {
    const socket = connectSocket(port, host);
    const opened = new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
    await within(WAIT_MS, opened, `a connection to ${port}`);
    return new Connection(socket);
  }

  /** Send one command. @returns its reply; rejects when the connection goes before it. */
  send(...words: readonly Word[]): Promise<Reply> {
    if (this.closed) return Promise.reject(new Error("the connection is gone"));
    this.socket.write(encode(words));
    return new Promise((resolve, reject) => this.waiting.push({ resolve, reject }));
  }

  /** As send, for a server that is to live: bounded, and an error reply is thrown. */
  async ask(...words: readonly Word[]): Promise<Reply> {
    const reply = await within(WAIT_MS, this.send(...words), `the reply to ${String(words[0])}`);
    if (reply instanceof Error) throw reply;
    return reply;
  }

  close(): void {
    this.socket.destroy();
  }

  private shaped(reply: unknown): Reply {
    if (Array.isArray(reply)) return reply.map((part) => this.shaped(part));
    return reply instanceof Buffer && !this.buffers ? reply.latin1Slice() : (reply as Reply);
  }
}

/** A command as clients send it; strings are latin1. */
export function encode(words: readonly Word[]): Buffer {
  const pieces: Buffer[] = [Buffer.from(`*${words.length}\r\n`)];
  for (const word of words) {
    const bytes = Buffer.isBuffer(word) ? word : Buffer.from(String(word), "latin1");
    pieces.push(Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from("\r\n"));
  }
  return Buffer.concat(pieces);
}
