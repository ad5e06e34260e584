/**
 * test/unit/server/too-long.test.ts: replies longer than anybody can be sent at once: the command runs to its end, its client is cut off or told,
 * and the others hear nothing of it. The bound is set low here.
 */
// timeout: 120s

import { test } from "uvu";
import * as assert from "uvu/assert";
import { REPLY_BYTES_MAX, ReplyWriter } from "../../../src/codec/resp/reply-writer.js";
import { viewed } from "../../../src/lib/view.js";
import { Gathered, TOO_LONG, writtenIn } from "../../../src/server/gathered.js";
import { randomFrom } from "../../lib/command-generator.js";
import { FakeCluster } from "../../lib/fake-cluster.js";
import { both, command, type RawClient, startServer, until } from "./harness.js";

const BOUND = 256 * 1024;
const VALUE: string = "v".repeat(50_000);

async function filled(c: RawClient): Promise<void> {
  assert.is(await c.ask("SET", "v", VALUE), "+OK");
}

both("MGET, KEYS, SCAN, EXEC and COMMAND DOCS: the client is cut off, what EXEC does is done", {}, async (h) => {
  h.server.context.reply.bytesMax = BOUND;
  const other = await h.client();
  await filled(other);
  const mget = command("MGET", ...new Array(6).fill("v"));
  const gets = command("GET", "v").repeat(6);
  const exec = `${command("MULTI") + command("SET", "a", "1") + gets + command("SET", "b", "2")}${command("EXEC")}`;
  const docs = command("COMMAND", "DOCS", ...new Array(3000).fill("get"));
  for (const [i, bytes] of [mget, exec, docs].entries()) {
    const c = await h.client();
    c.write(command("ECHO", "before") + bytes + command("SET", "after", "1"));
    // In the same turn of the loop: its reply lies in the same writer.
    other.send("ECHO", "other");
    await other.expect("$5\r\nother\r\n");
    await c.closed();
    assert.not.ok(c.received.includes("vvv"), "nothing of it was sent");
    assert.is(h.server.traffic.outputLimitDisconnections, i + 1);
  }
  assert.ok(h.logged.some((line) => line.includes(`a reply of more than ${BOUND} bytes`)));
  assert.is(await other.ask("EXISTS", "a", "b"), ":2");
  assert.is(await other.ask("EXISTS", "after"), ":0");
  // Just below it is sent.
  other.send("MGET", "v", "v", "v", "v", "v");
  await other.expect(`*5\r\n${`$${VALUE.length}\r\n${VALUE}\r\n`.repeat(5)}`);
  await until(() => h.server.sessions.size === 1, "the others are gone");
  assert.ok(h.server.context.reply.buf.length <= 1024 * 1024);
});

both("CLIENT LIST of one client named a hundred thousand times, COMMAND INFO of as many names", {}, async (h) => {
  const other = await h.client();
  for (const [name, arg] of [
    ["LIST", "ID"],
    ["INFO", ""],
  ]) {
    const c = await h.client();
    const own = (await c.ask("CLIENT", "ID")).slice(1);
    for (const attribute of ["LIB-NAME", "LIB-VER"]) await c.ask("CLIENT", "SETINFO", attribute, "n".repeat(4000));
    h.server.context.reply.bytesMax = BOUND;
    const many = new Array<string>(100_000);
    c.write(
      name === "LIST"
        ? command("CLIENT", "LIST", arg as string, ...many.fill(own))
        : command("COMMAND", "INFO", ...many.fill("client")),
    );
    const started = performance.now();
    await c.closed();
    assert.is(await other.ask("PING"), "+PONG");
    assert.ok(performance.now() - started < 5000, `${name}: ${performance.now() - started} ms`);
  }
  // Below the bound it is sent whole.
  const own = (await other.ask("CLIENT", "ID")).slice(1);
  other.send("CLIENT", "LIST", "ID", own, own);
  const lines = (await other.bulk()).trimEnd().split("\n");
  assert.is(lines.length, 2);
  assert.is(lines[0], lines[1]);
});

test("an error of a client's line feeds: as long as they are, and not the square of it", () => {
  const writer = new ReplyWriter();
  const lines = "\r\n".repeat(1_000_000);
  const started = performance.now();
  writer.error(`ERR x '${lines}'${lines}`);
  assert.ok(performance.now() - started < 5000);
  assert.is(writer.at, "-ERR x '".length + lines.length + "'\r\n".length);
  assert.not.ok(writer.buf.subarray(0, writer.at - 2).includes("\n"));
});

both("a reply that waits for the log before one that is too long", { manual: true }, async (h) => {
  h.server.context.reply.bytesMax = BOUND;
  const [c, other] = [await h.client(), await h.client()];
  c.write(command("SET", "v", VALUE) + command("MGET", ...new Array(6).fill("v")));
  for (let i = 0; i < 10; i++) other.send("ECHO", String(i));
  for (let i = 0; i < 10; i++) await other.expect(`$1\r\n${i}\r\n`);
  await c.closed();
  h.commit();
  assert.is(await other.ask("PING"), "+PONG");
  assert.is(c.received.length, 0);
});

test("in a cluster MGET is answered with an error", async () => {
  const h = await startServer({ cluster: new FakeCluster({ random: randomFrom(7) }) });
  try {
    h.server.context.reply.bytesMax = BOUND;
    const c = await h.client();
    await filled(c);
    c.write(command("MGET", ...new Array(2000).fill("v")) + command("PING"));
    await c.expect(`${TOO_LONG.latin1Slice()}+PONG\r\n`);
    c.send("MGET", "v", "nokey", "v");
    await c.expect(`*3\r\n$${VALUE.length}\r\n${VALUE}\r\n$-1\r\n$${VALUE.length}\r\n${VALUE}\r\n`);
  } finally {
    await h.close();
  }
});

test("what several works answer: a long reply beyond the bound is left out, a short one never", () => {
  const gathered = new Gathered(1000);
  const [long, short] = [Buffer.alloc(600), Buffer.from(":1\r\n")];
  assert.is(gathered.take(long), long);
  assert.is(gathered.take(long), TOO_LONG);
  assert.is(gathered.take(short), short);
  assert.is(gathered.take(Buffer.alloc(500)), TOO_LONG);
});

test("a writer gives up at its bound, and writes what comes next", () => {
  const writer = new ReplyWriter(16);
  assert.is(writer.bytesMax, REPLY_BYTES_MAX);
  writer.bytesMax = 1000;
  const bytes = viewed(Buffer.alloc(600, "x"));
  let told = 0;
  writer.onTooLong = () => {
    told++;
    writer.at = 5;
  };
  writer.ok();
  writer.bulk(bytes, 0, 600);
  assert.is(told, 0);
  writer.bulk(bytes, 0, 600);
  assert.is(told, 1);
  assert.is(writer.buf.latin1Slice(0, 5), "+OK\r\n");
  assert.ok(writer.buf.length < 2200);
  // Values that come behind cost nothing, neither room nor a copy.
  for (let i = 0; i < 10_000; i++) writer.bulk(bytes, 0, 600);
  assert.not.ok(writer.buf.includes("x".repeat(601)));
  assert.ok(writer.at < writer.buf.length && writer.buf.length < 2200);
  assert.is(writtenIn(writer), TOO_LONG);
  writer.at = 0;
  writer.pong();
  assert.is(writtenIn(writer).latin1Slice(), "+PONG\r\n");
});

test.run();
