/**
 * test/integration/limits.test.ts: a real process at its limits: large and odd values, thousands of clients, clients that behave badly, and
 * every way it ends.
 */
// timeout: 120s
import { readFileSync, writeFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Random } from "../../src/lib/random.js";
import { freePort } from "../lib/free-ports.js";
import { atLeastOnce } from "../lib/pace.js";
import { Connection, encode } from "../lib/process-client.js";
import { namesIn, ServerProcess, withDirectory } from "../lib/process-server.js";
import { Writer } from "../lib/process-writer.js";
import { within } from "../lib/within.js";

const TEST_MS = 120_000;
const WAIT_MS = 60_000;
const MB = 1 << 20;
/** Sockets of this process and of the server, with room for the rest. */
const DESCRIPTORS = 10_500;
const CLIENTS = 10_000;
/** Enough that loading them takes a while. */
const KEYS = 40_000;
const FILL_AT_ONCE = 500;
const HAS_PROC: boolean = process.platform === "linux";

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function opened(port: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => {});
  return new Promise((resolve, reject) => {
    socket.once("connect", () => resolve(socket));
    socket.once("close", () => reject(new Error("closed")));
  });
}

/** Until the server has read so much, in all. */
async function serverHasRead(connection: Connection, bytes: number): Promise<void> {
  const read = async (): Promise<void> => {
    while (Number(/total_net_input_bytes:(\d+)/.exec(String(await connection.ask("INFO", "stats")))?.[1]) < bytes)
      await sleep(20);
  };
  await within(WAIT_MS, read(), `${bytes} bytes are read`);
}

/** Wait for so many bytes on a socket that nobody else reads. */
function received(socket: Socket, bytes: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let total = 0;
  const all = new Promise<Buffer>((resolve) => {
    const take = (chunk: Buffer): void => {
      parts.push(chunk);
      total += chunk.length;
      if (total < bytes) return;
      socket.off("data", take);
      socket.pause(); // what comes before the next wait is kept
      resolve(Buffer.concat(parts));
    };
    socket.on("data", take);
    socket.resume();
  });
  return within(WAIT_MS, all, `${bytes} bytes`);
}

async function exitOf(
  args: readonly string[],
  port: number,
  dir: string,
): Promise<{ code: number | null; said: string }> {
  const server = ServerProcess.launch({ port, dir, args });
  try {
    const { code } = await within(WAIT_MS, server.ended, `an end with ${args.join(" ")}`);
    return { code, said: server.said };
  } finally {
    await server.end("SIGKILL");
  }
}

test("a value of 64 MiB goes in and out, and outlives a restart; one byte more is refused", () =>
  withDirectory(TEST_MS, async (_dir, start) => {
    let server = await start();
    const value = Buffer.alloc(64 * MB, "0123456789abcdef\r\n");
    const connection = await Connection.open(server.port);
    connection.buffers = true;
    assert.is(String(await connection.ask("SET", "big", value)), "OK");
    assert.ok(value.equals((await connection.ask("GET", "big")) as Buffer));
    connection.close();
    // By what is declared: not a byte of it is waited for.
    const more = await opened(server.port);
    more.write(`*3\r\n$3\r\nSET\r\n$6\r\nbigger\r\n$${64 * MB + 1}\r\n`);
    const refusal = "-ERR Protocol error: invalid bulk length\r\n";
    assert.is((await received(more, refusal.length)).toString(), refusal);
    more.destroy();
    await server.end("SIGKILL");
    server = await start({ port: server.port });
    const again = await Connection.open(server.port);
    again.buffers = true;
    assert.ok(value.equals((await again.ask("GET", "big")) as Buffer));
    assert.is(await again.ask("EXISTS", "bigger"), 0);
    again.close();
  }));

test("half a command per packet, a byte at a time, and many commands in one packet", () =>
  withDirectory(TEST_MS, async (_dir, start) => {
    const server = await start();
    const socket = await opened(server.port);
    socket.setNoDelay(true);
    const set = encode(["SET", Buffer.from([0, 13, 10, 255]), Buffer.from("a\r\n$5\r\nb")]);
    for (const byte of set) {
      socket.write(Buffer.from([byte]));
      await sleep(1);
    }
    assert.is((await received(socket, 5)).toString(), "+OK\r\n");
    const get = encode(["GET", Buffer.from([0, 13, 10, 255])]);
    const half = Math.floor(get.length / 2);
    for (let i = 0; i < 50; i++) {
      // The end of one and the beginning of the next share a packet.
      socket.write(i === 0 ? get.subarray(0, half) : Buffer.concat([get.subarray(half), get.subarray(0, half)]));
      await sleep(1);
    }
    socket.write(get.subarray(half));
    const reply = "$8\r\na\r\n$5\r\nb\r\n";
    assert.is((await received(socket, 50 * reply.length)).toString(), reply.repeat(50));
    socket.write(Buffer.concat(Array.from({ length: 5000 }, () => encode(["INCR", "n"]))));
    const numbers = Array.from({ length: 5000 }, (_, i) => `:${i + 1}\r\n`).join("");
    assert.is((await received(socket, numbers.length)).toString(), numbers);
    socket.destroy();
  }));

if (HAS_PROC) {
  test("512 MiB that are declared and never come cost nothing", () =>
    withDirectory(TEST_MS, async (_dir, start) => {
      const server = await start({ args: ["--max-value-bytes", "512mb", "--client-query-buffer-limit", "1gb"] });
      const connection = await Connection.open(server.port);
      await connection.ask("SET", "a", "1");
      const before = server.memory();
      const sockets = await Promise.all(Array.from({ length: 50 }, () => opened(server.port)));
      const begun = `*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$${512 * MB - 4096}\r\nonly this`;
      for (const socket of sockets) socket.write(begun);
      await serverHasRead(connection, sockets.length * begun.length);
      assert.is(await connection.ask("GET", "a"), "1");
      const grown = server.memory() - before;
      assert.ok(grown < 32 * MB, `memory grew by ${Math.round(grown / MB)} MiB`);
      for (const socket of sockets) socket.destroy();
      connection.close();
    }));

  test("clients that never read are held in bounds, and others do not notice", () =>
    withDirectory(TEST_MS, async (_dir, start) => {
      const server = await start();
      const connection = await Connection.open(server.port);
      await connection.ask("SET", "value", Buffer.alloc(MB, "v"));
      const before = server.memory();
      const deaf = await Promise.all(Array.from({ length: 20 }, () => opened(server.port)));
      for (const socket of deaf) {
        socket.pause();
        // 200 MiB of replies each, if anybody made them.
        socket.write(Buffer.concat(Array.from({ length: 200 }, () => encode(["GET", "value"]))));
      }
      await serverHasRead(connection, deaf.length * 200 * encode(["GET", "value"]).length);
      await atLeastOnce(async () => {
        const took: number[] = [];
        for (let i = 0; i < 100; i++) {
          const asked = performance.now();
          await connection.ask("GET", "none");
          took.push(performance.now() - asked);
          await sleep(1);
        }
        const at90 = took.sort((a, b) => a - b)[90] as number;
        return at90 < 50 ? undefined : `the 90th of 100 took ${at90} ms`;
      });
      const grown = server.memory() - before;
      assert.ok(grown < 150 * MB, `memory grew by ${Math.round(grown / MB)} MiB`);
      for (const socket of deaf) socket.destroy();
      connection.close();
    }));
}

test("10,000 idle connections, and one that works among them", () => {
  const script = `
    const net = require("node:net");
    const port = Number(process.argv[1]), count = Number(process.argv[2]);
    let open = 0, next = 0;
    const one = () => {
      if (next++ >= count) return;
      const socket = net.connect(port, "127.0.0.1", () => { if (++open === count) console.log("all open"); else one(); });
      socket.on("error", (error) => { console.log("failed " + error.code + " after " + open); process.exit(1); });
    };
    for (let i = 0; i < 100; i++) one();
  `;
  return withDirectory(TEST_MS, async (_dir, start) => {
    // Each side needs its descriptors: both are started by a shell that raises the limit.
    const by = ["/bin/sh", "-c", `ulimit -n ${DESCRIPTORS} && exec "$@"`, "sh"];
    const server = await start({ by, args: ["--maxclients", String(CLIENTS + 100)] }).catch((error: Error) => {
      if (!/ulimit|limit/.test(error.message)) throw error;
      console.log("SKIPPED: the limit of descriptors cannot be raised");
      return undefined;
    });
    if (server === undefined) return;
    const { spawn } = await import("node:child_process");
    const crowd = spawn(by[0] as string, [
      ...by.slice(1),
      process.execPath,
      "-e",
      script,
      String(server.port),
      String(CLIENTS),
    ]);
    try {
      const said = await within(
        WAIT_MS,
        new Promise<string>((resolve) => crowd.stdout.once("data", (text) => resolve(String(text)))),
        "10,000 connections",
      );
      assert.is(said, "all open\n");
      const connection = await Connection.open(server.port);
      await atLeastOnce(async () => {
        const started = performance.now();
        for (let i = 0; i < 100; i++) await connection.ask("SET", "a", i);
        const ms = performance.now() - started;
        return ms < 2500 ? undefined : `100 writes took ${ms} ms`;
      });
      assert.match(String(await connection.ask("INFO", "clients")), /connected_clients:10001\r/);
      connection.close();
      assert.equal(await server.end(), { code: 0, signal: null });
    } finally {
      crowd.kill("SIGKILL");
    }
  });
});

test("exit codes: 75 directory in use, 69 port in use, 64 a bad flag, 65 damaged data", () =>
  withDirectory(TEST_MS, async (dir, start) => {
    const server = await start();
    const connection = await Connection.open(server.port);
    for (let i = 0; i < 100; i++) await connection.ask("SET", `key:${i}`, "x".repeat(100));
    const second = await exitOf([], await freePort(), dir);
    assert.is(second.code, 75, second.said);
    assert.match(second.said, new RegExp(`in use by process ${server.pid}`));
    const other = join(dir, "other");
    const taken = await exitOf([], server.port, other);
    assert.is(taken.code, 69, taken.said);
    const bad = await exitOf(["--maxmemry", "1gb"], await freePort(), other);
    assert.equal([bad.code, /did you mean "?--maxmemory/.test(bad.said)], [64, true], bad.said);
    assert.is((await exitOf(["--appendfsync", "sometimes"], await freePort(), other)).code, 64);
    assert.is(await connection.ask("GET", "key:99"), "x".repeat(100), "the first one is not disturbed");
    connection.close();
    // A clean stop seals everything: any flipped bit is damage.
    await server.end();
    for (const name of namesIn(dir, /^(snapshot|wal-\d|kvorum\.meta)/)) {
      const path = join(dir, name);
      const good = readFileSync(path);
      const bytes = Buffer.from(good);
      bytes[name.startsWith("wal") ? 600 : Math.floor(bytes.length / 2)] ^= 4;
      writeFileSync(path, bytes);
      const { code, said } = await exitOf([], server.port, dir);
      assert.is(code, 65, `${name}: ${said}`);
      assert.match(said, name.replace(/\..*/, ""), "it names the file");
      writeFileSync(path, good);
    }
    const again = await start({ port: server.port });
    const reader = await Connection.open(again.port);
    assert.is(await reader.ask("DBSIZE"), 100);
    reader.close();
  }));

test("SIGTERM while loading, and under load: exit 0, and everything acknowledged is kept", () =>
  withDirectory(TEST_MS, async (dir, start) => {
    const random = new Random(7);
    const port = await freePort();
    let server = await start({ port });
    const filler = await Connection.open(port);
    for (let from = 0; from < KEYS; from += FILL_AT_ONCE) {
      const pairs = Array.from({ length: FILL_AT_ONCE }, (_, i) => [`filler:${from + i}`, `value:${from + i}`]);
      assert.is(await filler.ask("MSET", ...pairs.flat()), "OK");
    }
    filler.close();
    await server.end("SIGKILL");
    const began = performance.now();
    server = await start({ port });
    const startMs = performance.now() - began;
    await server.end("SIGKILL");
    for (const part of [0.4, 0.6, 0.75, 0.9]) {
      const loading = ServerProcess.launch({ port, dir });
      await sleep(startMs * part);
      const { code, signal } = await loading.end("SIGTERM");
      // Before node has come to our first line, the signal ends it as any program.
      assert.ok(
        code === 0 || signal === "SIGTERM",
        `after ${part} of ${startMs} ms: ${code ?? signal} ${loading.said}`,
      );
    }
    server = await start({ port });
    for (let round = 0; round < 2; round++) {
      const writers = Array.from({ length: 6 }, (_, i) => new Writer(`r${round}w${i}`, random));
      const load = Promise.all(writers.map((writer) => writer.run(port)));
      // A load worth the name, however slow the machine.
      while (writers.some(({ acknowledged }) => acknowledged <= 10)) await sleep(5);
      await sleep(100);
      assert.equal(await server.end("SIGTERM"), { code: 0, signal: null }, server.said);
      await within(WAIT_MS, load, "the writers see the end");
      server = await start({ port });
      const connection = await Connection.open(port);
      for (const writer of writers) assert.is(await writer.verify(connection), undefined);
      assert.is(await connection.ask("GET", `filler:${KEYS - 1}`), `value:${KEYS - 1}`);
      connection.close();
    }
    assert.equal(await server.end("SIGINT"), { code: 0, signal: null });
  }));

test("a port that something else has is left alone, and said", () =>
  withDirectory(TEST_MS, async (dir) => {
    const other = createServer();
    const port = await freePort();
    await new Promise<void>((resolve) => other.listen(port, "127.0.0.1", resolve));
    const { code, said } = await exitOf([], port, dir);
    other.close();
    assert.is(code, 69);
    assert.match(said, `127.0.0.1:${port} is in use`);
  }));

test.run();
