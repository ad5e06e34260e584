/**
 * test/integration/real-clients.test.ts: the clients that people use against one server process that syncs each write: what
 * clients.test.ts says of the conversation holds with the log under it, in RESP2 and RESP3, and the data outlives a kill -9.
 */
// timeout: 90s
import { execFile, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis as Redis6 } from "ioredis";
import { Redis as Redis5 } from "ioredis5";
import { createClient } from "redis";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { freePort } from "../lib/free-ports.js";
import { Connection } from "../lib/process-client.js";
import { ServerProcess } from "../lib/process-server.js";
import { within } from "../lib/within.js";

/** The types differ by protocol; what is used of them does not. */
type Options = { host: string; port: number; lazyConnect?: boolean; protocol: 2 };

const WAIT_MS = 90_000;
const KEYS = 500;

const dir = mkdtempSync(join(tmpdir(), "kvorum-clients-"));
const port = await freePort();
let server = await ServerProcess.start({ port, dir });

for (const [name, Client, options] of [
  ["ioredis 6, RESP2", Redis6, { protocol: 2 }],
  ["ioredis 6, RESP3", Redis6, { protocol: 3 }],
  // Its types are another generation's; the part used here is the same.
  ["ioredis 5", Redis5 as unknown as typeof Redis6, {}],
] as const) {
  test(`${name}: all that a client does in a day`, async () => {
    const client = new Client({ port, host: "127.0.0.1", lazyConnect: true, ...options } as Options);
    const prefix = name.replace(/\W/g, "");
    const key = (i: number | string): string => `${prefix}:${i}`;
    await within(WAIT_MS, client.connect(), "a connection");
    await client.set(key("a"), "1");
    assert.equal(await client.mget(key("a"), key("none")), ["1", null]);
    const results = (await Array.from({ length: KEYS }, (_, i) => i)
      .reduce((pipeline, i) => pipeline.set(key(i), `v${i}`), client.pipeline())
      .exec()) as [Error | null, unknown][];
    assert.ok(results.length === KEYS && results.every(([error, reply]) => error === null && reply === "OK"));
    assert.equal(await client.multi().incr(key("n")).incr(key("n")).exec(), [
      [null, 1],
      [null, 2],
    ]);
    await client.watch(key("n"));
    const other = new Client({ port, host: "127.0.0.1", ...options } as Options);
    await other.set(key("n"), "9");
    assert.is(await client.multi().get(key("n")).exec(), null, "the key was changed by another");
    await other.quit();
    const found = new Set<string>();
    for await (const keys of client.scanStream({ match: `${prefix}:*`, count: 50 }))
      for (const one of keys) found.add(one);
    assert.is(found.size, KEYS + 2);
    assert.is(await client.expire(key("a"), 100), 1);
    assert.ok((await client.ttl(key("a"))) > 90);
    await client.pexpire(key("a"), 1);
    await new Promise((resolve) => setTimeout(resolve, 10));
    assert.is(await client.get(key("a")), null);
    const info = Object.fromEntries((await client.info()).split("\r\n").map((line) => line.split(":", 2)));
    assert.is(info["tcp_port"], String(port));
    assert.ok(Number(info["used_memory"]) > 0 && Number(info["connected_clients"]) >= 1);
    assert.match(String(info["db0"]), /^keys=\d+,expires=\d+/);
    const binary = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
    await client.set(binary, binary);
    assert.ok(binary.equals((await client.getBuffer(binary)) as Buffer));
    assert.is(await client.quit(), "OK");
  });
}

for (const RESP of [2, 3] as const) {
  test(`node-redis, RESP${RESP}`, async () => {
    const client = createClient({ url: `redis://127.0.0.1:${port}`, RESP, socket: { reconnectStrategy: false } });
    client.on("error", () => {});
    await within(WAIT_MS, client.connect(), "a connection");
    const key = (i: number | string): string => `node${RESP}:${i}`;
    const replies = await Promise.all(Array.from({ length: KEYS }, (_, i) => client.set(key(i), `v${i}`)));
    assert.ok(replies.every((reply) => reply === "OK"));
    assert.equal(await client.mGet([key(1), key("none")]), ["v1", null]);
    assert.equal([...(await client.multi().set(key("n"), "1").incr(key("n")).exec())], ["OK", 2]);
    await client.watch(key("n"));
    const other = await client.duplicate().connect();
    await other.set(key("n"), "9");
    other.destroy();
    const outcome = await client
      .multi()
      .get(key("n"))
      .exec()
      .then(
        () => "done",
        (error: Error) => error.constructor.name,
      );
    assert.is(outcome, "WatchError");
    const found = new Set<string>();
    for await (const keys of client.scanIterator({ MATCH: `node${RESP}:*`, COUNT: 50 }))
      for (const one of keys) found.add(one);
    assert.is(found.size, KEYS + 1);
    assert.is(await client.expire(key(1), 100), 1);
    assert.ok((await client.ttl(key(1))) > 90);
    assert.match(await client.info("persistence"), /aof_enabled:1/);
    await client.close();
  });
}

/** Run a command-line tool. @returns its output; undefined, said loudly, when it is not installed. */
function tool(name: string, args: readonly string[], input = ""): Promise<string | undefined> {
  const path = `/usr/bin/${name}`;
  if (!existsSync(path)) {
    console.log(`SKIPPED: ${name} is not installed`);
    return Promise.resolve(undefined);
  }
  return new Promise((resolve, reject) => {
    const child = execFile(path, ["-p", String(port), ...args], { timeout: WAIT_MS }, (error, stdout, stderr) => {
      if (error) reject(new Error(`${name} ${args.join(" ")}: ${error.message}\n${stdout}${stderr}`));
      else resolve(stdout + stderr);
    });
    child.stdin?.end(input);
  });
}

test("redis-cli: standard input, --pipe, --scan, --bigkeys, --memkeys, -3, --stat", async () => {
  const lines = await tool("redis-cli", [], 'set "cli key" "a b"\nget "cli key"\nincr cli:n\nexists "cli key"\n');
  if (lines === undefined) return;
  assert.equal(lines.trim().split("\n"), ["OK", "a b", "1", "1"]);
  const mass = Array.from({ length: 20_000 }, (_, i) => `SET pipe:${i} ${i}\r\n`).join("");
  assert.match(String(await tool("redis-cli", ["--pipe"], mass)), /errors: 0, replies: 20000/);
  const scanned = String(await tool("redis-cli", ["--scan", "--pattern", "pipe:*"]));
  assert.is(new Set(scanned.trim().split("\n")).size, 20_000);
  assert.match(String(await tool("redis-cli", ["--bigkeys"])), /Sampled \d+ keys in the keyspace/);
  assert.match(String(await tool("redis-cli", ["--memkeys"])), /Biggest string/);
  assert.match(String(await tool("redis-cli", ["-3", "hello", "3"])), /"?proto"? 3/);
  assert.match(String(await tool("redis-cli", ["-3", "config", "get", "appendfsync"])), /always/);
  // Its output comes in blocks of 4 KiB.
  const stat = spawn("/usr/bin/redis-cli", ["-p", String(port), "--stat", "-i", "0.002"]);
  let said = "";
  const figures = new Promise<void>((resolve) => {
    stat.stdout.on("data", (text) => {
      said += text;
      if ((said.match(/^\d+ +\d/gm) ?? []).length > 2) resolve();
    });
  });
  try {
    await within(WAIT_MS, figures, "three lines of figures");
  } finally {
    stat.kill("SIGTERM");
  }
  assert.match(said, /keys +mem +clients/);
});

test("redis-benchmark: -P 1, -P 16, RESP3", async () => {
  for (const more of [
    ["-P", "1"],
    ["-P", "16"],
    ["-P", "16", "-3"],
  ]) {
    const output = await tool("redis-benchmark", [
      "-t",
      "ping,set,get,incr,mset",
      "-n",
      "4000",
      "-c",
      "20",
      "-q",
      ...more,
    ]);
    if (output === undefined) return;
    for (const name of ["PING_INLINE", "PING_MBULK", "SET", "GET", "INCR", "MSET"]) {
      assert.match(output, new RegExp(`${name}.*: [0-9.]+ requests per second`));
    }
    assert.not.match(output, /error|ERR/i);
  }
});

test("what they all wrote outlives a kill -9", async () => {
  const before = await Connection.open(port);
  const keys = await before.ask("DBSIZE");
  before.close();
  await server.end("SIGKILL");
  server = await ServerProcess.start({ port, dir });
  const after = await Connection.open(port);
  assert.is(await after.ask("DBSIZE"), keys);
  assert.is(await after.ask("GET", "ioredis6RESP3:499"), "v499");
  after.close();
});

test.after(async () => {
  await server.end("SIGKILL");
  rmSync(dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
});

test.run();
