/**
 * test/integration/http-in-turn.test.ts: several requests on one connection: one after the other, answered in order, and not read ahead
 * without end.
 */
// timeout: 120s
import { test } from "uvu";
import * as assert from "uvu/assert";
import { HttpServer } from "../../src/http/server.js";
import { type Client, open } from "../../src/index.js";
import { manual, Raw } from "../lib/http-by-hand.js";
import { within } from "../lib/within.js";

const WAIT_MS = 60_000;
/** Time in which a fault would show. */
const SETTLE_MS = 50;
const PUT = "PUT /kv/k HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx";
const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
const head = (method: string, more = ""): string => `${method} /kv/k HTTP/1.1\r\nHost: localhost\r\n${more}\r\n`;
const statuses = ({ text }: Raw): number[] => [...text.matchAll(/HTTP\/1\.1 (\d+) /g)].map(([, code]) => Number(code));

async function serving(client: () => Client, body: (raw: Raw, base: string) => Promise<void>): Promise<void> {
  const faults: string[] = [];
  const server = new HttpServer({
    open: client,
    password: () => "",
    protectedMode: () => true,
    names: [],
    valueBytesMax: () => 100_000,
    bytesHeld: () => 0,
    fault: (text) => faults.push(text),
  });
  const base = `http://127.0.0.1:${await server.listen("127.0.0.1", 0)}`;
  const raw = new Raw(base);
  try {
    await within(WAIT_MS, body(raw, base), "the body of the test");
  } finally {
    raw.socket.destroy();
    await within(WAIT_MS, server.stop(0), "the server stops");
  }
  assert.equal(faults, []);
}

test("requests in one write are executed in their order", async () => {
  await using node = await open({ memory: true });
  await serving(
    () => node.client(),
    async (raw) => {
      raw.send(PUT + head("GET") + head("DELETE") + head("GET"));
      await raw.until(/(?:HTTP[\s\S]*){4}/);
      assert.equal(statuses(raw), [201, 200, 204, 404]);
      const cycle = PUT + head("GET") + head("DELETE");
      raw.text = "";
      raw.send(cycle.repeat(2000) + head("GET", "Connection: close\r\n"));
      await within(WAIT_MS, raw.closed, "the answers");
      const expected = [...Array.from({ length: 2000 }, () => [201, 200, 204]).flat(), 404];
      assert.equal(statuses(raw), expected);
    },
  );
});

test("the next begins when the answer before it is given; other connections do not wait", async () => {
  const { client, calls } = manual();
  await serving(client, async (raw, base) => {
    raw.send(head("DELETE") + head("GET") + PUT);
    await settled();
    assert.equal(
      calls.map(({ words }) => words[0]),
      ["KV.DEL"],
    );
    const other = new Raw(base);
    other.send(head("GET"));
    await settled();
    assert.equal(
      calls.map(({ words }) => words[0]),
      ["KV.DEL", "KV.GET"],
    );
    calls[1]?.answer(null);
    await other.until(/ 404 /);
    other.socket.destroy();
    for (const [at, reply] of [1, null, null, [Buffer.from("v"), 1]].entries()) {
      if (at === 1) continue;
      calls[at]?.answer(reply);
      await settled();
    }
    assert.equal(
      calls.map(({ words }) => words[0]),
      ["KV.DEL", "KV.GET", "KV.GET", "KV.SET"],
    );
    await raw.until(/ 201 /);
    assert.equal(statuses(raw), [204, 404, 201]);
  });
});

test("what waits on a closed connection never begins", async () => {
  const { client, calls } = manual();
  await serving(client, async (raw) => {
    raw.send(head("DELETE") + PUT);
    await settled();
    raw.socket.destroy();
    await settled();
    calls[0]?.answer(1);
    await settled();
    assert.is(calls.length, 1);
  });
});

test("what cannot be read is answered after what came before it", async () => {
  const { client, calls } = manual();
  await serving(client, async (raw) => {
    raw.send(`${head("DELETE")}this is no request\r\n\r\n`);
    await settled();
    raw.send("nor is this\r\n\r\n");
    await settled();
    assert.is(raw.text, "");
    calls[0]?.answer(1);
    await within(WAIT_MS, raw.closed, "the end of the connection");
    assert.equal(statuses(raw), [204, 400]);
  });
});

test("a body that does not come is refused in its turn", async () => {
  const { client, calls } = manual();
  await serving(client, async (raw) => {
    raw.send(
      `${head("DELETE")}PUT /kv/k HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\nno length\r\n`,
    );
    await settled();
    assert.is(raw.text, "");
    calls[0]?.answer(1);
    await within(WAIT_MS, raw.closed, "the end of the connection");
    assert.equal(statuses(raw), [204, 400]);
    assert.is(calls.length, 1);
  });
});

test("while a request waits its connection is not read", async () => {
  const { client, calls } = manual();
  await serving(client, async (raw) => {
    const [each, times] = [1024 * 1024, 32];
    const one = head("GET", `x: ${"x".repeat(1000)}\r\n`);
    for (let i = 0; i < times; i++) raw.send(one.repeat(Math.ceil(each / one.length)));
    // Read without end it is all gone within one of these.
    await new Promise((resolve) => setTimeout(resolve, 40 * SETTLE_MS));
    const left = raw.socket.writableLength;
    // What the sockets of the system hold is out of sight: some MiB.
    assert.ok(left > (times / 2) * each, `${left} of ${times * each} bytes are left to the sender`);
    assert.is(calls.length, 1);
    // It goes on, a piece at a time, when it is the turn of those that came.
    let answered = 0;
    for (let rest = left; rest > left / 2; rest = raw.socket.writableLength) {
      assert.is(calls.length - answered <= 1, true, "one at a time");
      if (calls.length > answered) calls[answered++]?.answer(null);
      await new Promise((resolve) => setImmediate(resolve));
    }
    raw.socket.destroy();
    calls[answered]?.answer(null);
  });
});

test.run();
