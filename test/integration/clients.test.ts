/**
 * test/integration/clients.test.ts: real clients against a server: ioredis 6 and 5, node-redis 6, redis-cli, redis-benchmark.
 * The keyspace is the model: what is tested is the conversation, not the storage.
 */
// timeout: 120s
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { Redis as Redis6 } from "ioredis";
import { Redis as Redis5 } from "ioredis5";
import { createClient } from "redis";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { within } from "../lib/within.js";
import { type Harness, startServer } from "../unit/server/harness.js";

async function served(options: Parameters<typeof startServer>[0], body: (h: Harness) => Promise<void>): Promise<void> {
  const h = await startServer(options);
  try {
    await within(90_000, body(h), "the client is done");
  } finally {
    await h.close();
  }
}

/** The message that `promise` fails with. */
async function failure(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error("it did not fail");
}

/** Run a command-line tool. @returns its output; undefined when it is not installed. @param enough end it when its output has come so far. */
async function tool(name: string, args: readonly string[], input = "", enough?: RegExp): Promise<string | undefined> {
  const path = `/usr/bin/${name}`;
  if (!existsSync(path)) {
    console.log(`SKIPPED: ${name} is not installed`);
    return undefined;
  }
  return new Promise((resolve, reject) => {
    const child = execFile(path, args, { timeout: 60_000 }, (error, stdout, stderr) => {
      if (error && !enough?.test(stdout))
        reject(new Error(`${name} ${args.join(" ")}: ${error.message}\n${stdout}${stderr}`));
      else resolve(stdout + stderr);
    });
    let said = "";
    child.stdout?.on("data", (text: string) => {
      said += text;
      if (enough?.test(said)) child.kill("SIGTERM");
    });
    child.stdin?.end(input);
  });
}

for (const [name, Client] of [
  ["ioredis 6", Redis6],
  // Its types are another generation's; the part used here is the same.
  ["ioredis 5", Redis5 as unknown as typeof Redis6],
] as const) {
  test(name, () =>
    served({ config: { requirepass: "secret" } }, async (h) => {
      const client = new Client({ port: h.port, password: "secret", db: 2, connectionName: "me", lazyConnect: true });
      await client.connect();
      assert.is(await client.set("a", "1", "PX", 100_000), "OK");
      assert.is(await client.get("a"), "1");
      assert.equal(await client.mget("a", "b"), ["1", null]);
      assert.is(await client.client("GETNAME"), "me");
      assert.match(String(await client.client("LIST")), /lib-name=ioredis\S* lib-ver=/);
      const outcome = await client.multi().set("m", "1").incr("m").get("m").exec();
      assert.equal(outcome, [
        [null, "OK"],
        [null, 2],
        [null, "2"],
      ]);
      await client.watch("m");
      await client.set("m", "9");
      assert.is(await client.multi().get("m").exec(), null);
      const pipeline = client.pipeline();
      for (let i = 0; i < 1000; i++) pipeline.set(`k${i}`, String(i));
      const results = (await pipeline.exec()) ?? [];
      assert.ok(results.length === 1000 && results.every(([error, value]) => error === null && value === "OK"));
      const big = Buffer.alloc(3_000_000, 7);
      await client.set("big", big);
      assert.ok(big.equals((await client.getBuffer("big")) as Buffer));
      assert.match(
        await failure(client.call("nosuch", "x")),
        /unknown command 'nosuch', with args beginning with: 'x' /,
      );
      assert.match(await client.info(), /redis_version:7\.2\.4/);
      assert.is(await client.quit(), "OK");
    }),
  );
}

test("node-redis 6", () =>
  served({ config: { requirepass: "secret" } }, async (h) => {
    const client = createClient({
      url: `redis://:secret@127.0.0.1:${h.port}/3`,
      name: "me",
      socket: { reconnectStrategy: false },
    });
    client.on("error", () => {});
    await client.connect();
    assert.is(await client.set("a", "1", { EX: 100 }), "OK");
    assert.is(await client.get("a"), "1");
    assert.equal(await client.mGet(["a", "b"]), ["1", null]);
    assert.equal([...(await client.multi().set("m", "1").incr("m").exec())], ["OK", 2]);
    assert.is(await client.clientGetName(), "me");
    assert.equal(Object.keys(await client.configGet("max*")).includes("maxclients"), true);
    assert.match((await client.clientList()).map(({ libName }) => libName).join(), /node-redis/);
    assert.match(await failure(client.sendCommand(["GET"])), /wrong number of arguments for 'get' command/);
    client.destroy();
  }));

test("redis-cli: one command, a pipe, --pipe, --stat, --scan, --latency's PING", () =>
  served({}, async (h) => {
    const port = ["-p", String(h.port)];
    const first = await tool("redis-cli", [...port, "set", "a", "1"]);
    if (first === undefined) return;
    assert.is(first, "OK\n");
    assert.is(await tool("redis-cli", [...port, "-3", "-n", "2", "dbsize"]), "0\n");
    // It asks for COMMAND DOCS at the start, and is particular about its shape.
    assert.is(
      await tool("redis-cli", port, 'set "x y" 2\nget "x y"\nnosuch\nhelp get\n').then((text) => text?.includes("2\n")),
      true,
    );
    const mass = Array.from({ length: 5000 }, (_, i) => `SET k${i} v${i}\r\n`).join("");
    assert.match((await tool("redis-cli", [...port, "--pipe"], mass)) ?? "", /errors: 0, replies: 5000/);
    const keys = (await tool("redis-cli", [...port, "--scan", "--pattern", "k*"])) ?? "";
    assert.is(keys.trim().split("\n").length, 5000);
    // It goes on until it is stopped.
    const figures = /^5\d\d\d +\d+\.\d\dM +\d+ +0 +\d+ \(\+\d+\)/m;
    assert.match((await tool("redis-cli", [...port, "--stat", "-i", "0.002"], "", figures)) ?? "", figures);
    assert.match((await tool("redis-cli", [...port, "info", "server"])) ?? "", /server_name:kvorum/);
    assert.match((await tool("redis-cli", [...port, "--bigkeys"])) ?? "", /Biggest string/);
  }));

test("redis-benchmark: its tests of strings, pipelined, in RESP3, with a password", () =>
  served({ config: { requirepass: "secret" } }, async (h) => {
    const common = ["-p", String(h.port), "-a", "secret", "-c", "20", "-n", "3000", "-q"];
    for (const more of [
      ["-t", "ping,set,get,incr,mset"],
      ["-t", "set,get", "-P", "16", "-3"],
      ["-t", "set", "--dbnum", "3", "-r", "100"],
    ]) {
      const output = await tool("redis-benchmark", [...common, ...more]);
      if (output === undefined) return;
      assert.match(output, /SET: .* requests per second/);
      assert.not.match(output, /Error|ERR/i);
    }
  }));

test.run();
