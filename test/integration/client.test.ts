// mostly waits
/**
 * test/integration/client.test.ts: kvorum/client against a real server, and against one that breaks off at the worst moment: what it
 * says of a write's fate is true.
 */
import { createServer, type Socket } from "node:net";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type ConnectOptions, connect, type StoreClient, StoreError } from "../../src/client/client.js";
import { startTestServer } from "../../src/testing.js";
import { within } from "../lib/within.js";

const WAIT_MS = 60_000;
/** Long enough to connect in, and to answer. */
const SHORT_MS = 500;

async function failure(promise: Promise<unknown>): Promise<[code: string, applied: string]> {
  try {
    await within(WAIT_MS, promise, "the call to fail");
  } catch (error) {
    assert.instance(error, StoreError, String(error));
    return [(error as StoreError).code, (error as StoreError).applied];
  }
  throw new Error("it did not fail");
}

/** A server that answers a handshake by itself and everything else as `answer` says. */
async function scripted(
  answer: (command: string, socket: Socket, count: number) => void,
  body: (connected: (more?: ConnectOptions) => Promise<StoreClient>) => Promise<void>,
): Promise<void> {
  let count = 0;
  const clients: StoreClient[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("data", (bytes) => {
      for (const command of bytes.toString().split(/(?=\*\d+\r\n\$)/)) {
        if (/\r\ninfo\r\n/i.test(command)) socket.write("$12\r\nredis_mode:x\r\n");
        else if (/\r\nclient\r\n/i.test(command)) socket.write("+OK\r\n");
        else answer(command, socket, ++count);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  try {
    const connected = async (more: ConnectOptions = {}): Promise<StoreClient> => {
      const client = await connect({ port, host: "127.0.0.1", timeoutMs: WAIT_MS, ...more });
      clients.push(client);
      return client;
    };
    await within(WAIT_MS, body(connected), "the body of the test");
  } finally {
    for (const client of clients.splice(0)) await client.close();
    for (const socket of sockets) socket.destroy();
    server.close();
  }
}

test("the methods, pipelined, with errors that name their code", async () => {
  await using server = await startTestServer({ requirepass: "secret" });
  const client = await connect({ url: `redis://:secret@127.0.0.1:${server.port}/2`, timeoutMs: WAIT_MS });
  assert.is(await client.set("a", "1"), true);
  assert.is(await client.set("a", "2", { only: "nx" }), false);
  const replies = await Promise.all(Array.from({ length: 2000 }, () => client.incr("n")));
  assert.equal([replies[0], replies.at(-1)], [1, 2000]);
  assert.equal(await client.getBuffer("a"), Buffer.from("1"));
  assert.equal(await client.mget("a", "none", "n"), ["1", null, "2000"]);
  assert.equal(await failure(client.call("NOSUCH")), ["ERR", "no"]);
  await client.set("word", "x");
  const [ok, bad] = await client.transaction([
    ["SET", "t", Buffer.from([0, 255])],
    ["INCR", "word"],
  ]);
  assert.equal([ok, (bad as StoreError).code], ["OK", "ERR"]);
  assert.equal(await client.getBuffer("t"), Buffer.from([0, 255]));
  for (const word of ["EXEC", "Reset", "MULTI"]) {
    assert.equal(await failure(client.transaction([["SET", "t", "1"], [word], ["SET", "t", "2"]])), ["REFUSED", "no"]);
  }
  assert.equal(await client.getBuffer("t"), Buffer.from([0, 255]));
  for (const words of [
    ["REPLY", "OFF"],
    ["REPLY", "SKIP"],
  ]) {
    assert.equal(await failure(client.call("CLIENT", ...words)), ["REFUSED", "no"]);
  }
  assert.equal(await failure(client.call("MONITOR")), ["REFUSED", "no"]);
  assert.is(await client.call("CLIENT", "REPLY", "ON"), "OK");
  await client.set("t", "-9223372036854775807");
  assert.equal([await client.decr("t"), await client.get("t")], [-9223372036854775808n, "-9223372036854775808"]);
  assert.equal(
    await client.transaction([
      ["INCRBY", "t", 2n ** 62n],
      ["INCR", "n"],
    ]),
    [-(2n ** 62n), 2001],
  );
  const keys: string[] = [];
  for await (const key of client.scan()) keys.push(key);
  assert.equal(keys.sort(), ["a", "n", "t", "word"]);
  assert.is(await client.delete("t"), true);
  await client.close();
  assert.equal(await failure(client.set("b", "1")), ["CLOSED", "no"]);
  assert.equal(await failure(connect({ port: server.port, host: "127.0.0.1", password: "wrong" })), [
    "WRONGPASS",
    "no",
  ]);
});

test("a write whose connection breaks may have been applied, and is not sent again; a read is", () =>
  scripted(
    (command, socket, count) => {
      if (/SET/.test(command)) socket.destroy();
      else if (count < 4) socket.destroy();
      else socket.write("$1\r\n1\r\n");
    },
    async (connected) => {
      const client = await connected();
      assert.equal(await failure(client.set("a", "1")), ["CLOSED", "maybe"]);
      assert.is(await client.get("a"), "1", "the third attempt had an answer");
    },
  ));

test("a time-out of a write is maybe, of a read no", () =>
  scripted(
    () => {},
    async (connected) => {
      const client = await connected({ timeoutMs: SHORT_MS });
      assert.equal(await failure(client.incr("a")), ["TIMEOUT", "maybe"]);
      assert.equal(await failure(client.get("a")), ["TIMEOUT", "no"]);
    },
  ));

test("-UNCERTAIN is maybe; -TRYAGAIN is tried again; -MISCONF is no and final", () =>
  scripted(
    (command, socket, count) => {
      if (/uncertain/.test(command)) socket.write("-UNCERTAIN nobody knows\r\n");
      else if (/misconf/.test(command)) socket.write("-MISCONF disk\r\n");
      else socket.write(count < 6 ? "-TRYAGAIN later\r\n" : "+OK\r\n");
    },
    async (connected) => {
      const client = await connected();
      assert.equal(await failure(client.set("uncertain", "1")), ["UNCERTAIN", "maybe"]);
      assert.equal(await failure(client.set("misconf", "1")), ["MISCONF", "no"]);
      assert.is(await client.set("again", "1"), true);
      const patientless = await connected({ retries: 0 });
      assert.is(await patientless.set("again", "1"), true);
    },
  ));

test("without a server nothing is applied; when it comes back, the client goes on", async () => {
  const first = await startTestServer();
  const { port } = first;
  const client = await connect({ port, host: "127.0.0.1", timeoutMs: WAIT_MS });
  const hasty = await connect({ port, host: "127.0.0.1", timeoutMs: SHORT_MS });
  await client.set("a", "1");
  await first.close();
  // Until a client has seen it, what it writes may have arrived.
  let applied: string;
  do applied = (await failure(hasty.set("a", "2")))[1];
  while (applied === "maybe");
  assert.is(applied, "no");
  const waiting = client.set("b", "3");
  const second = await startTestServer({ port });
  assert.is(await within(WAIT_MS, waiting, "the write to go through"), true);
  await Promise.all([client.close(), hasty.close()]);
  await second.close();
  assert.equal(await failure(connect({ port, host: "127.0.0.1", timeoutMs: 200 })), ["CONNECT", "no"]);
});

test.run();
