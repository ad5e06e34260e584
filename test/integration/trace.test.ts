/**
 * test/integration/trace.test.ts: what the system saw: no +OK for a SET begins to leave before the record's bytes were in a synced write
 * that returned (O_DSYNC), or in a write followed by an fdatasync that returned. For a lone client and for many.
 */
// timeout: 90s
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Connection } from "../lib/process-client.js";
import { withDirectory } from "../lib/process-server.js";
import { type Call, canTrace, Trace } from "../lib/process-trace.js";

const TOKEN = /token-\d{7}-/g;
const OK = /\+OK\\r\\n/g;
const TEST_MS = 90_000;

function token(number: number): string {
  return `token-${String(number).padStart(7, "0")}-`;
}

/** The token twice: the log stamps each sector of 512 bytes, and a stamp may fall into one of them. */
function value(number: number): string {
  return token(number) + ".".repeat(40) + token(number);
}

/** By token: place in the trace from which on it is on the disk. */
function durableFrom(calls: readonly Call[]): Map<string, number> {
  const durable = new Map<string, number>();
  const written = new Map<string, { token: string; end: number }[]>();
  for (const { name, args, path, result, begin, end, durable: synced } of calls) {
    if (!path.includes("/wal-") || result < 0) continue;
    if (/^p?write/.test(name)) {
      for (const [found] of args.matchAll(TOKEN)) {
        if (synced && !durable.has(found)) durable.set(found, end);
        else if (!synced) written.set(path, [...(written.get(path) ?? []), { token: found, end }]);
      }
    } else if (/sync$/.test(name)) {
      // A sync covers what was written before it began.
      const before = (written.get(path) ?? []).filter((write) => write.end < begin);
      for (const write of before) if (!durable.has(write.token)) durable.set(write.token, end);
    }
  }
  return durable;
}

/** @returns how many replies were checked. @throws at the first that left too early. */
function check(calls: readonly Call[]): number {
  const durable = durableFrom(calls);
  const asked = new Map<number, string[]>();
  let checked = 0;
  // A reply counts from its call's beginning, a request from its call's end.
  const ordered = [...calls].sort((a, b) => orderOf(a) - orderOf(b));
  for (const call of ordered) {
    if (!call.path.startsWith("socket:")) continue;
    if (call.name === "read") {
      const found = [...call.args.matchAll(TOKEN)].map(([text]) => text);
      const queue = asked.get(call.fd) ?? [];
      // Each comes twice in a row.
      asked.set(call.fd, [...queue, ...found.filter((text, i) => text !== (found[i - 1] ?? queue.at(-1)))]);
    } else if (/^write/.test(call.name)) {
      for (const _ of call.args.matchAll(OK)) {
        const answered = asked.get(call.fd)?.shift();
        if (answered === undefined) throw new Error(`a reply to no request: ${call.args.slice(0, 200)}`);
        const from = durable.get(answered) ?? Number.POSITIVE_INFINITY;
        if (from > call.begin)
          throw new Error(`${answered} was acknowledged in line ${call.begin}, on disk in ${from}`);
        checked++;
      }
    }
  }
  return checked;
}

function orderOf({ name, begin, end }: Call): number {
  return name === "read" ? end : begin;
}

async function traced(load: (port: number) => Promise<number>, args: readonly string[] = []): Promise<void> {
  await withDirectory(TEST_MS, async (dir, start) => {
    const server = await start({ args });
    const trace = await Trace.attach(server.pid, join(dir, "trace.txt"));
    if (trace === undefined) return;
    const sent = await load(server.port);
    // The last reply is with the client before the call that sent it has ended, or it is not in the trace. It has when the server does more.
    const last = await Connection.open(server.port);
    await last.ask("PING");
    last.close();
    const calls = await trace.stop();
    await server.end();
    assert.is(check(calls), sent, "every reply was seen");
  });
}

async function setAll(port: number, from: number, count: number, depth: number): Promise<number> {
  const connection = await Connection.open(port);
  for (let sent = 0; sent < count; sent += depth) {
    const wave = Array.from({ length: Math.min(depth, count - sent) }, (_, i) =>
      connection.ask("SET", `key:${(from + sent + i) % 50}`, value(from + sent + i)),
    );
    for (const reply of await Promise.all(wave)) assert.is(reply, "OK");
  }
  connection.close();
  return count;
}

if (canTrace()) {
  test("one client, one command at a time: each +OK leaves after a synced write that holds its record", () =>
    traced((port) => setAll(port, 0, 150, 1)));

  test("many clients, some pipelining: each +OK leaves after a synced write that holds its record", () =>
    traced(async (port) => {
      const clients = Array.from({ length: 20 }, (_, i) => setAll(port, i * 10_000, 60, i % 4 === 0 ? 10 : 1));
      return (await Promise.all(clients)).reduce((sum, count) => sum + count, 0);
    }));

  test("small log files, so that they change under load", () =>
    traced(
      async (port) => {
        const clients = Array.from({ length: 8 }, (_, i) => setAll(port, i * 10_000, 150, 5));
        return (await Promise.all(clients)).reduce((sum, count) => sum + count, 0);
      },
      ["--wal-segment-bytes", "65536"],
    ));

  test("the check itself: an acknowledgement before the write is noticed", () => {
    const call = { result: 1, durable: true };
    const reply = {
      ...call,
      name: "write",
      args: '9<socket:[1]>, "+OK\\r\\n", 5',
      fd: 9,
      path: "socket:[1]",
      durable: false,
    };
    const request = { ...reply, name: "read", args: `9<socket:[1]>, "SET a ${token(1)}", 99`, begin: 0, end: 1 };
    const write = {
      ...call,
      name: "pwrite64",
      args: `5</d/wal-1.log>, "${token(1)}", 9, 0`,
      fd: 5,
      path: "/d/wal-1.log",
    };
    assert.is(check([request, { ...write, begin: 2, end: 3 }, { ...reply, begin: 4, end: 5 }]), 1);
    assert.throws(
      () => check([request, { ...write, begin: 2, end: 5 }, { ...reply, begin: 4, end: 6 }]),
      /acknowledged in line 4/,
    );
    assert.throws(
      () => check([request, { ...write, durable: false, begin: 2, end: 3 }, { ...reply, begin: 4, end: 5 }]),
      /on disk in Infinity/,
    );
  });
}

test.run();
