/**
 * bench/lib/resp-client.ts: a connection that asks in turn and checks what it hears. For set-up and questions, not for load.
 * Invariants: replies are matched to requests by order; a broken connection fails everything that waits.
 */
import { connect, type Socket } from "node:net";
import RedisParser from "redis-parser";

type Waiting = { resolve(reply: unknown): void; reject(error: Error): void };

/** A command as clients send it. */
export function encode(parts: readonly (string | number)[]): string {
  let text = `*${parts.length}\r\n`;
  for (const part of parts) text += `$${Buffer.byteLength(String(part))}\r\n${part}\r\n`;
  return text;
}

export class RespClient {
  private readonly socket: Socket;
  private readonly waiting: Waiting[] = [];

  private constructor(socket: Socket) {
    this.socket = socket;
    const parser = new RedisParser({
      returnReply: (reply: unknown) => this.waiting.shift()?.resolve(reply),
      returnError: (error: Error) => this.waiting.shift()?.reject(error),
      returnFatalError: (error: Error) => this.fail(error),
    });
    socket.setNoDelay(true);
    socket.on("data", (chunk) => parser.execute(chunk));
    socket.on("error", (error) => this.fail(error));
    socket.on("close", () => this.fail(new Error("connection closed")));
  }

  static connect(port: number): Promise<RespClient> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, "127.0.0.1", () => resolve(new RespClient(socket)));
      socket.once("error", reject);
    });
  }

  ask(...parts: readonly (string | number)[]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ resolve, reject });
      this.socket.write(encode(parts));
    });
  }

  close(): void {
    this.socket.destroy();
  }

  private fail(error: Error): void {
    for (const { reject } of this.waiting.splice(0)) reject(error);
  }
}

/** One question on a connection of its own. */
export async function askOnce(port: number, ...parts: readonly (string | number)[]): Promise<unknown> {
  const client = await RespClient.connect(port);
  try {
    return await client.ask(...parts);
  } finally {
    client.close();
  }
}
