/**
 * test/lib/http-by-hand.ts: the two ends of a HttpServer by hand: a connection whose bytes the test writes, and a client whose answers it gives.
 */
import { connect, type Socket } from "node:net";
import type { Client } from "../../src/index.js";
import { within } from "./within.js";

const WAIT_MS = 60_000;

/** A connection by hand. */
export class Raw {
  readonly socket: Socket;
  text = "";
  readonly closed: Promise<void>;

  constructor(base: string) {
    this.socket = connect(Number(new URL(base).port), "127.0.0.1");
    this.socket.setEncoding("latin1").on("data", (more: string) => {
      this.text += more;
    });
    this.closed = new Promise((resolve) => {
      this.socket.on("error", () => {}).on("close", () => resolve());
    });
  }

  send(text: string): void {
    this.socket.write(text, "latin1");
  }

  async until(pattern: RegExp): Promise<void> {
    const seen = async (): Promise<void> => {
      while (!pattern.test(this.text)) await new Promise((resolve) => setTimeout(resolve, 5));
    };
    await within(WAIT_MS / 2, seen(), `an answer like ${pattern}`);
  }
}

/** A client whose answers the test gives. */
export function manual(): {
  client: () => Client;
  calls: { words: unknown[]; answer(reply: unknown): void }[];
  opened(): number;
} {
  const calls: { words: unknown[]; answer(reply: unknown): void }[] = [];
  let opened = 0;
  const call = (...words: unknown[]): Promise<unknown> =>
    new Promise((resolve, reject) => {
      calls.push({ words, answer: (reply) => (reply instanceof Error ? reject(reply) : resolve(reply)) });
    });
  const client = (): Client => {
    opened++;
    return { call, callBuffer: call, close: () => Promise.resolve() } as unknown as Client;
  };
  return { client, calls, opened: () => opened };
}
