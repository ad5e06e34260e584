/**
 * test/integration/embedded.test.ts: the engine inside this process: open() with and without sockets, its client, its end; and
 * the server for tests.
 */
import { spawn } from "node:child_process";
import fs, { existsSync, mkdtempSync, rmSync } from "node:fs";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { open, StoreError } from "../../src/index.js";
import { startTestServer } from "../../src/testing.js";
import { atLeastOnce } from "../lib/pace.js";
import { LOADER, moduleOf } from "../lib/program.js";
import { within } from "../lib/within.js";

const WAIT_MS = 90_000;

async function inDirectory(body: (dir: string) => Promise<void>): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "kvorum-embedded-"));
  try {
    await within(WAIT_MS, body(dir), "the body of the test");
  } finally {
    rmSync(dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
  }
}

function hasIpv6(): boolean {
  return Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === "::1"));
}

async function failure(promise: Promise<unknown>): Promise<StoreError> {
  try {
    await promise;
  } catch (error) {
    assert.instance(error, StoreError);
    return error as StoreError;
  }
  throw new Error("it did not fail");
}

test("a node without sockets: every method of its client", () =>
  inDirectory(async (dir) => {
    const node = await open({ dir });
    assert.equal([node.url, node.port], [undefined, undefined]);
    const client = node.client();
    assert.is(await client.set("a", "1"), true);
    assert.is(await client.set("a", "2", { only: "nx" }), false);
    assert.is(await client.set("b", "x", { ttlMs: 50_000, only: "nx" }), true);
    assert.ok((await client.pttl("b")) > 40_000);
    assert.is(await client.get("a"), "1");
    assert.is(await client.get("none"), null);
    assert.equal([await client.incr("a"), await client.incrby("a", 5), await client.decr("a")], [2, 7, 6]);
    assert.equal([await client.append("b", "yz"), await client.strlen("b")], [3, 3]);
    await client.mset([
      ["m1", "1"],
      ["m2", Buffer.from([0, 255, 13, 10])],
    ]);
    assert.equal(await client.mget("m1", "none"), ["1", null]);
    assert.equal(await client.getBuffer("m2"), Buffer.from([0, 255, 13, 10]));
    assert.equal(await client.callBuffer("MGET", "m2"), [Buffer.from([0, 255, 13, 10])]);
    assert.is(await client.exists("m1", "m2", "none"), 2);
    assert.equal(
      [await client.expire("m1", 100), await client.persist("m1"), await client.ttl("m1")],
      [true, true, -1],
    );
    assert.equal([await client.pexpire("none", 5), await client.ttl("none")], [false, -2]);
    const keys: string[] = [];
    for await (const key of client.scan({ match: "m*" })) keys.push(key);
    assert.equal(keys.sort(), ["m1", "m2"]);
    assert.is(await client.getdel("m1"), "1");
    assert.equal([await client.del("m2", "none"), await client.delete("b")], [1, true]);
    assert.is(await client.dbsize(), 1);
    await client.flushdb();
    await client.ping();
    assert.is(await client.dbsize(), 0);
    await node.close();
  }));

test("errors say what they are, one by one, and replies stay in order", () =>
  inDirectory(async (dir) => {
    await using node = await open({ dir });
    const client = node.client();
    const replies = await Promise.allSettled([
      client.set("word", "x"),
      client.incr("word"),
      client.call("NOSUCH"),
      client.get("word"),
    ]);
    assert.equal(
      replies.map((reply) => (reply.status === "fulfilled" ? reply.value : [reply.reason.code, reply.reason.applied])),
      [true, ["ERR", "no"], ["ERR", "no"], "x"],
    );
    const error = await failure(client.incr("word"));
    assert.is(error.message, "ERR value is not an integer or out of range");
    assert.is(error.retryable, false);
    const [ok, failed, after] = await client.transaction([
      ["SET", "t", "1"],
      ["INCR", "word"],
      ["INCR", "t"],
    ]);
    assert.equal([ok, (failed as StoreError).code, after], ["OK", "ERR", 2]);
    assert.is((await failure(client.transaction([["SET", "t"]]))).code, "EXECABORT");
    const value = Buffer.from("before");
    const stored = client.set("mine", value);
    value.fill("x");
    await stored;
    assert.is(await client.get("mine"), "before", "a buffer may be changed after the call");
  }));

test("integers that a number does not hold exactly come as bigints, and go in as such", () =>
  inDirectory(async (dir) => {
    await using node = await open({ dir });
    const client = node.client();
    await client.set("low", "-9223372036854775807");
    assert.is(await client.decr("low"), -9223372036854775808n);
    assert.is((await failure(client.decr("low"))).code, "ERR");
    await client.set("n", 9007199254740990n);
    assert.equal(
      [
        await client.incr("n"),
        await client.incr("n"),
        await client.incrby("n", -1n),
        await client.incrby("n", 2n ** 60n),
      ],
      [9007199254740991, 9007199254740992n, 9007199254740991, 9007199254740991n + 2n ** 60n],
    );
    assert.is(await client.get("low"), "-9223372036854775808");
    assert.equal(
      await client.transaction([
        ["INCRBY", "m", "9223372036854775807"],
        ["INCR", "k"],
      ]),
      [2n ** 63n - 1n, 1],
    );
    assert.equal(await client.callBuffer("BITFIELD", "m", "GET", "u8", 0, "GET", "i64", 0), [57, 0x3932323333373230n]);
    // What only looks like an integer stays a string.
    await client.set("text", "17");
    assert.equal([await client.get("text"), await client.mget("text", "k")], ["17", ["17", "1"]]);
  }));

test("a transaction with a command that MULTI does not queue is refused before anything of it is sent", () =>
  inDirectory(async (dir) => {
    await using node = await open({ dir });
    const client = node.client();
    for (const word of ["EXEC", "exec", "DISCARD", "RESET", "MULTI", "WATCH", "Quit"]) {
      const args = word === "WATCH" ? ["k"] : [];
      const error = await failure(
        client.transaction([
          ["SET", "t", "1"],
          [word, ...args],
          ["SET", "t", "2"],
        ]),
      );
      assert.equal([error.code, error.applied, error.retryable], ["REFUSED", "no", false], word);
      assert.match(error.message, word.toUpperCase());
    }
    assert.is(await client.get("t"), null);
    // What MULTI queues has its reply, whatever it is.
    await client.call("WATCH", "t");
    assert.equal(await client.transaction([["UNWATCH"], ["SET", "t", "3"], ["PING"]]), ["OK", "OK", "PONG"]);
  }));

test("a node whose pid file cannot be removed is closed all the same: no rejection, and the directory is free", () =>
  inDirectory(async (dir) => {
    const node = await open({ dir });
    const rejected: unknown[] = [];
    const heard = (reason: unknown): void => void rejected.push(reason);
    const original = fs.rmSync;
    let refused = 0;
    process.on("unhandledRejection", heard);
    fs.rmSync = (...args) => {
      if (String(args[0]) !== join(dir, "kvorum.pid")) return original(...args);
      refused++;
      throw Object.assign(new Error("read-only file system"), { code: "EROFS" });
    };
    try {
      await node.close();
      await new Promise((resolve) => setTimeout(resolve, 50));
      assert.is(refused, 1);
      assert.equal(rejected, []);
    } finally {
      fs.rmSync = original;
      process.off("unhandledRejection", heard);
    }
    await (await open({ dir })).close();
  }));

test("data is there again after close and open; a second node is refused meanwhile", () =>
  inDirectory(async (dir) => {
    const first = await open({ dir });
    const client = first.client();
    const sets = Array.from({ length: 2000 }, (_, i) => client.set(`k${i}`, `v${i}`));
    const second = await open({ dir }).then(
      () => undefined,
      (error: { exitCode: number }) => error.exitCode,
    );
    assert.is(second, 75);
    await Promise.all(sets);
    const closing = first.close();
    assert.is(first.close(), closing);
    await closing;
    const error = await failure(client.get("k1"));
    assert.equal([error.code, error.applied], ["CLOSED", "no"]);
    const again = await open({ dir });
    assert.is(await again.client().get("k1999"), "v1999");
    await again.close();
  }));

test("close() answers all that was asked before it, however far ahead its clients are", () =>
  inDirectory(async (dir) => {
    for (const options of [{}, { walBatchBytesMax: 64 * 1024 }]) {
      const node = await open({ dir, ...options });
      const [one, two] = [node.client(), node.client()];
      const asked: Promise<unknown>[] = [];
      for (let wave = 0; wave < 20; wave++) {
        for (let i = 0; i < 2000; i++) asked.push((i % 2 === 0 ? one : two).set(`k${i}`, `${wave}`.repeat(50)));
        if (wave < 19) await new Promise((resolve) => setImmediate(resolve));
      }
      const closing = node.close();
      const lost = (await Promise.allSettled(asked)).filter(({ status }) => status === "rejected");
      assert.is(lost.length, 0, `${lost.length} of ${asked.length} were not answered`);
      await closing;
      const again = await open({ dir });
      assert.is(await again.client().get("k1999"), "19".repeat(50));
      await again.close();
    }
  }));

test("each client is a connection; close of one answers what it asked", () =>
  inDirectory(async (dir) => {
    await using node = await open({ dir, requirepass: "secret", maxclients: 3 });
    const [one, two] = [node.client(), node.client()];
    await one.call("SELECT", 3);
    await one.set("a", "1");
    assert.is(await two.get("a"), null);
    const last = one.get("a");
    await one.close();
    assert.is(await last, "1");
    const three = node.client();
    await three.ping();
    assert.match(String(await two.call("CLIENT", "LIST")), /addr=embedded:0/);
    await node.client().ping();
    const refused = await failure(node.client().set("b", "1"));
    assert.equal([refused.code, refused.applied], ["CLOSED", "no"]);
  }));

test("a node with sockets serves clients of Redis, and says so", () =>
  inDirectory(async (dir) => {
    const said: string[] = [];
    const unixsocket = join(dir, "s");
    const node = await open({ dir: join(dir, "d"), port: 0, unixsocket, log: (_level, text) => said.push(text) });
    const embedded = node.client();
    const { port } = new URL(node.url as string);
    // "localhost" may be either of them.
    const everywhere = ["127.0.0.1", ...(hasIpv6() ? ["[::1]"] : [])].map((host) => `redis://${host}:${port}`);
    for (const url of [...everywhere, unixsocket]) {
      const client = new Redis(url);
      await client.set("from", url);
      assert.is(await embedded.get("from"), url);
      client.disconnect();
    }
    const client = new Redis(node.url as string, { retryStrategy: () => null });
    client.on("error", () => {});
    client.call("SHUTDOWN").catch(() => {});
    assert.equal(await node.ended, { code: 0, message: "SHUTDOWN" });
    client.disconnect();
    assert.ok(said.some((text) => text.includes("shutdown")));
    await node.close();
    assert.not(existsSync(unixsocket));
  }));

test("a value of 64 MiB, and thousands of commands in one turn", () =>
  inDirectory(async (dir) => {
    await using node = await open({ dir, memory: true });
    const client = node.client();
    const big = Buffer.alloc(64 << 20, "kvorum!");
    await client.set("big", big);
    assert.ok(big.equals((await client.getBuffer("big")) as Buffer));
    const many = await Promise.all(Array.from({ length: 20_000 }, () => client.incr("n")));
    assert.is(many.at(-1), 20_000);
    const reads = await Promise.all(Array.from({ length: 2 }, () => client.getBuffer("big").then((b) => b?.length)));
    assert.ok(reads.every((bytes) => bytes === big.length));
  }));

test("an embedded node keeps nothing of the process: no signal handler, no output, no exit code; it ends by itself", async () => {
  const script = `
    import { startTestServer } from ${JSON.stringify(moduleOf("testing"))};
    const before = ["SIGTERM", "SIGINT", "SIGHUP", "uncaughtException", "exit"].map((name) => process.listenerCount(name)).join();
    const server = await startTestServer();
    const client = server.node.client();
    await client.set("a", "1");
    await server.close();
    const after = ["SIGTERM", "SIGINT", "SIGHUP", "uncaughtException", "exit"].map((name) => process.listenerCount(name)).join();
    process.stderr.write(String(before === after));
  `;
  const child = spawn(process.execPath, [...LOADER, "--input-type=module", "-e", script], { timeout: WAIT_MS });
  let out = "";
  let err = "";
  child.stdout.on("data", (text) => (out += text));
  child.stderr.on("data", (text) => (err += text));
  const code = await within(WAIT_MS, new Promise((resolve) => child.once("close", resolve)), "the script to end");
  assert.equal([code, out, err], [0, "", "true"]);
});

test("who waits for an answer keeps the process, whatever the answer waits for; who does not lets it go", () =>
  inDirectory(async (dir) => {
    const script = `
      import { open } from ${JSON.stringify(moduleOf("index"))};
      const node = await open({ dir: ${JSON.stringify(join(dir, "data"))} });
      const [one, two] = [node.client(), node.client()];
      await one.set("a", "1");
      await two.call("CLIENT", "PAUSE", "400");
      await Promise.all([one.set("a", "2"), two.set("b", "3"), one.get("a")]);
      await one.close();
      process.stdout.write(await two.get("b") + await two.get("a"));
      await two.call("CLIENT", "PAUSE", "100000");
      const lost = node.client().set("c", "4").catch((error) => process.stdout.write(" " + error.code));
      await node.close();
      await lost;
      await (await open({ dir: ${JSON.stringify(join(dir, "data"))} })).client().set("d", "5");
      process.stdout.write(" over");
    `;
    const args = [...LOADER, "--input-type=module", "-e", script];
    const child = spawn(process.execPath, args, { timeout: WAIT_MS });
    let out = "";
    let err = "";
    child.stdout.on("data", (text) => (out += text));
    child.stderr.on("data", (text) => (err += text));
    const code = await new Promise((resolve) => child.once("close", resolve));
    assert.equal([code, out, err], [0, "32 CLOSED over", ""]);
  }));

test("close() ends before the process does, also with a backup under way and nothing else to keep the process", () =>
  inDirectory(async (dir) => {
    const script = `
      import { open } from ${JSON.stringify(moduleOf("index"))};
      for (let i = 0; i < 20; i++) {
        const node = await open({ dir: ${JSON.stringify(join(dir, "data"))}, appendfsync: "everysec" });
        const client = node.client();
        await client.set("a", "1");
        client.call("KV.BACKUP", ${JSON.stringify(join(dir, "backup"))} + i).catch(() => {});
        await new Promise((resolve) => setTimeout(resolve, i % 5));
        await node.close();
      }
      process.stdout.write("closed");
    `;
    const args = [...LOADER, "--input-type=module", "-e", script];
    const child = spawn(process.execPath, args, { timeout: WAIT_MS });
    let out = "";
    child.stdout.on("data", (text) => (out += text));
    const code = await new Promise((resolve) => child.once("close", resolve));
    assert.equal([code, out], [0, "closed"]);
  }));

test("a test server is there in milliseconds", async () => {
  await (await startTestServer()).close();
  await atLeastOnce(async () => {
    const started = performance.now();
    const one = await startTestServer();
    const took = performance.now() - started;
    await one.close();
    return took < 300 ? undefined : `${took} ms`;
  });
  await using server = await startTestServer({ requirepass: "p" });
  assert.is(server.url, `redis://127.0.0.1:${server.port}`);
  const client = new Redis(server.url, { password: "p" });
  assert.is(await client.set("a", "1"), "OK");
  assert.is(await server.node.client().get("a"), "1");
  client.disconnect();
});

test("alone every write in a transaction has a version of its own, and KV.GET tells it", async () => {
  await using node = await open({ memory: true });
  const client = node.client();
  const replies = await client.transaction([
    ["SET", "k", "1"],
    ["KV.GET", "k"],
    ["KV.SET", "k", "2"],
    ["KV.GET", "k"],
  ]);
  const [, [, first], [second], [, seen]] = replies as [string, string[], string[], string[]];
  assert.match(first as string, /^[0-9a-z]{8,}$/);
  assert.is(seen, second);
  assert.not.equal(first, second);
  const [, now] = (await client.call("KV.GET", "k")) as string[];
  assert.is(now, second);
});

test.run();
