/**
 * test/unit/server/redis.ts: the real redis-server as a judge for what goes over a connection of its own: raw bytes in, raw
 * bytes out, closed or not.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../../lib/free-ports.js";
import { within } from "../../lib/within.js";

export interface Judge {
  readonly port: number;
  stop(): Promise<void>;
}

export async function startJudge(path: string, options: readonly string[] = []): Promise<Judge> {
  const port = await freePort();
  const directory = mkdtempSync(join(tmpdir(), "kvorum-judge-"));
  const fixed = ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--dir", directory];
  const child: ChildProcess = spawn(path, [...fixed, ...options], { stdio: "ignore" });
  await within(60_000, listening(port), "redis-server to listen");
  return {
    port,
    stop: async () => {
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGKILL");
      await within(60_000, ended, "redis-server to end");
      rmSync(directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
    },
  };
}

async function listening(port: number): Promise<void> {
  for (;;) {
    const up = await new Promise<boolean>((resolve) => {
      const socket = connect(port, "127.0.0.1", () => {
        socket.destroy();
        resolve(true);
      });
      socket.once("error", () => resolve(false));
    });
    if (up) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const MARK = "the-end-of-this-conversation";
const MARKER = `$${MARK.length}\r\n${MARK}\r\n`;

/**
 * Send bytes on a connection of their own, then an ECHO that marks the end.
 * @returns all that came before the mark, and whether the server closed instead of answering it.
 */
export async function converse(port: number, bytes: Buffer): Promise<{ text: string; closed: boolean }> {
  const socket = connect(port, "127.0.0.1");
  let received = "";
  const outcome = new Promise<boolean>((resolve) => {
    socket.on("data", (chunk) => {
      received += chunk.latin1Slice();
      if (received.endsWith(MARKER)) resolve(false);
    });
    socket.on("error", () => {}).on("close", () => resolve(true));
  });
  socket.write(bytes);
  socket.write(`*2\r\n$4\r\nECHO\r\n$${MARK.length}\r\n${MARK}\r\n`);
  const closed = await within(
    5000,
    outcome,
    `an answer to ${JSON.stringify(bytes.latin1Slice().slice(0, 100))}`,
  ).finally(() => socket.destroy());
  return { text: closed ? received : received.slice(0, -MARKER.length), closed };
}
