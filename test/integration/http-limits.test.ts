// mostly waits
/**
 * test/integration/http-limits.test.ts: what a slow, a greedy and a broken client may take, and how HTTP stops: with small limits on a server
 * of its own, over a real node or over a client that answers when the test says so.
 */
// timeout: 120s
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Limits } from "../../src/http/limits.js";
import { HttpServer } from "../../src/http/server.js";
import { type Client, type Node, open, StoreError } from "../../src/index.js";
import { manual, Raw } from "../lib/http-by-hand.js";
import { errorIn, type HttpAnswer, http } from "../lib/http-request.js";
import { within } from "../lib/within.js";

const WAIT_MS = 60_000;
const NO_STOP_MS = 5000;

interface Given {
  readonly limits?: Partial<Limits>;
  readonly client?: () => Client;
  readonly protectedMode?: boolean;
}

async function serving(
  given: Given,
  body: (base: string, server: HttpServer, node: Node) => Promise<void>,
): Promise<void> {
  const node = await open({ memory: true });
  const faults: string[] = [];
  const server = new HttpServer({
    open: given.client ?? (() => node.client()),
    password: () => "",
    protectedMode: () => given.protectedMode ?? true,
    names: ["kv.internal"],
    valueBytesMax: () => 100_000,
    bytesHeld: (key) => (key.toString() === "large" ? 1024 * 1024 : 0),
    fault: (text) => faults.push(text),
    limits: { checkMs: 50, ...given.limits },
  });
  try {
    const port = await server.listen("127.0.0.1", 0);
    await within(WAIT_MS, body(`http://127.0.0.1:${port}`, server, node), "the body of the test");
  } finally {
    await within(WAIT_MS, server.stop(0), "the server stops");
    await node.close();
  }
  assert.equal(faults, []);
}

async function until(what: () => boolean): Promise<void> {
  const seen = async (): Promise<void> => {
    while (!what()) await new Promise((resolve) => setTimeout(resolve, 2));
  };
  await within(WAIT_MS, seen(), "what is waited for");
}

test("a body that breaks off is no value; one that comes slowly is", () =>
  serving({}, async (base, _server, node) => {
    const client = node.client();
    const cut = new Raw(base);
    cut.send("PUT /kv/cut HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n12345");
    await new Promise((resolve) => setTimeout(resolve, 50));
    cut.socket.destroy();
    const chunked = new Raw(base);
    chunked.send("PUT /kv/chunked HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n");
    await new Promise((resolve) => setTimeout(resolve, 50));
    chunked.socket.end();
    const slow = new Raw(base);
    slow.send("PUT /kv/slow HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n");
    for (const letter of "12345") {
      slow.send(letter);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    await slow.until(/^HTTP\/1\.1 201 /);
    slow.socket.destroy();
    await Promise.all([cut.closed, chunked.closed, slow.closed]);
    assert.equal(await client.mget("cut", "chunked", "slow"), [null, null, "12345"]);
  }));

test("one connection after the other requests; several at once on one", () =>
  serving({}, async (base) => {
    const raw = new Raw(base);
    raw.send("PUT /kv/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx");
    await raw.until(/201 Created\r\n[\s\S]*\r\n\r\n/);
    raw.send("GET /kv/a HTTP/1.1\r\nHost: localhost\r\n\r\nGET /kv/a HTTP/1.1\r\nHost: localhost\r\n\r\n");
    await raw.until(/200 OK[\s\S]*\r\n\r\nxHTTP\/1\.1 200 OK[\s\S]*\r\n\r\nx$/);
    raw.socket.destroy();
  }));

test("slow heads, slow bodies and stalled connections end", () =>
  serving({ limits: { headMs: 700, requestMs: 1200, stallMs: 9000 } }, async (base) => {
    const head = new Raw(base);
    head.send("GET /kv/a HTTP/1.1\r\nHost: lo");
    const body = new Raw(base);
    body.send("PUT /kv/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n1");
    await within(WAIT_MS, Promise.all([head.closed, body.closed]), "both are closed");
    assert.match(head.text, /^HTTP\/1\.1 408 [\s\S]*"error":"TIMEOUT"/);
    assert.match(body.text, /^HTTP\/1\.1 4\d\d /);
    assert.is((await http(base, "GET", "/kv/a")).status, 404);
  }));

test("a connection on which nothing moves is closed", () =>
  serving({ limits: { stallMs: 500, keepAliveMs: 500 } }, async (base) => {
    const body = new Raw(base);
    body.send("PUT /kv/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n1");
    const idle = new Raw(base);
    idle.send("GET /kv/a HTTP/1.1\r\nHost: localhost\r\n\r\n");
    await idle.until(/404/);
    await within(WAIT_MS, Promise.all([body.closed, idle.closed]), "both are closed");
  }));

test("what is no HTTP is told so", () =>
  serving({}, async (base) => {
    const raw = new Raw(base);
    raw.send("*1\r\n$4\r\nPING\r\n");
    await raw.until(/^HTTP\/1\.1 400 [\s\S]*"error":"BAD_REQUEST"/);
    await raw.closed;
    const nameless = new Raw(base);
    nameless.send("GET /kv/a HTTP/1.1\r\n\r\n");
    await nameless.until(/^HTTP\/1\.1 400 /);
    nameless.socket.destroy();
  }));

test("too many requests at once: 503, surely not applied; each on a client of its own", () => {
  const { client, calls, opened } = manual();
  return serving({ client, limits: { operationsMax: 3 } }, async (base) => {
    const waiting = ["a", "b", "c"].map((key) => http(base, "PUT", `/kv/${key}`, { body: "x" }));
    await until(() => calls.length === 3);
    const refused = await http(base, "PUT", "/kv/d", { body: "x" });
    assert.equal([refused.status, errorIn(refused), refused.headers["retry-after"]], [503, "TRYAGAIN", "1"]);
    assert.is(opened(), 3);
    for (const call of calls.splice(0)) call.answer([Buffer.from("v1"), 1]);
    for (const answer of await Promise.all(waiting)) assert.equal([answer.status, answer.headers.etag], [201, '"v1"']);
    const again = http(base, "PUT", "/kv/d", { body: "x" });
    await until(() => calls.length === 1);
    calls[0]?.answer([null, 0]);
    const known = await again;
    assert.equal([known.status, known.headers.etag], [204, undefined], "no version is told where none is known");
    assert.is(opened(), 3);
  });
});

test("too many bytes at once: 503; the largest one alone goes through", () => {
  const { client, calls } = manual();
  return serving({ client, limits: { bytesMax: 1000 } }, async (base) => {
    const large = http(base, "PUT", "/kv/a", { body: "x".repeat(50_000) });
    await until(() => calls.length === 1);
    const headers = { "transfer-encoding": "chunked" };
    for (const options of [{ body: "yy" }, { body: "yy", headers }]) {
      const answer = await http(base, "PUT", "/kv/b", options);
      assert.equal([answer.status, errorIn(answer)], [503, "TRYAGAIN"]);
    }
    calls[0]?.answer([Buffer.from("v1"), 1]);
    assert.is((await large).status, 201);
    const next = http(base, "PUT", "/kv/b", { body: "y".repeat(900) });
    await until(() => calls.length === 2);
    calls[1]?.answer([Buffer.from("v1"), 1]);
    assert.is((await next).status, 201, "what was taken was given back");
    // Values on their way out have a budget of their own: one that its reader does not take.
    const value = [Buffer.alloc(8_000_000), Buffer.from("v1"), -1];
    const reader = new Raw(base);
    reader.socket.pause();
    reader.send("GET /kv/a HTTP/1.1\r\nHost: localhost\r\n\r\n");
    await until(() => calls.length === 3);
    calls[2]?.answer(value);
    await new Promise((resolve) => setTimeout(resolve, 50));
    const second = http(base, "GET", "/kv/a");
    await until(() => calls.length === 4);
    calls[3]?.answer([Buffer.from("x"), Buffer.from("v1"), -1]);
    assert.is((await second).status, 503);
    reader.socket.destroy();
    await reader.closed;
    const third = http(base, "GET", "/kv/a");
    await until(() => calls.length === 5);
    calls[4]?.answer([Buffer.from("x"), Buffer.from("v1"), -1]);
    assert.is((await third).status, 200);
  });
});

test("a client that went away before its value came takes nothing of the values' budget with it", () => {
  const { client, calls } = manual();
  return serving({ client, limits: { bytesMax: 1000 } }, async (base) => {
    const gone = new Raw(base);
    gone.send("GET /kv/a HTTP/1.1\r\nHost: localhost\r\n\r\n");
    await until(() => calls.length === 1);
    gone.socket.destroy();
    await gone.closed;
    await new Promise((resolve) => setTimeout(resolve, 50));
    calls[0]?.answer([Buffer.alloc(900), Buffer.from("v1"), -1]);
    const next = http(base, "GET", "/kv/a");
    await until(() => calls.length === 2);
    calls[1]?.answer([Buffer.alloc(900, "x"), Buffer.from("v1"), -1]);
    assert.is((await next).status, 200);
  });
});

test("what the node says becomes a status: surely not applied is never 504, and nothing else is", () => {
  const { client, calls } = manual();
  const cases: [number, string, string, "no" | "maybe"][] = [
    [503, "PUT", "NOREPLICAS Not enough good replicas to write.", "no"],
    [503, "DELETE", "TRYAGAIN too many", "no"],
    [503, "GET", "CLUSTERDOWN The cluster is down", "no"],
    [503, "GET", "LOADING Redis is loading the dataset in memory", "no"],
    [503, "PUT", "MISCONF no room on the disk", "no"],
    [503, "PUT", "ERR max number of clients reached", "no"],
    [507, "PUT", "OOM command not allowed when used memory > 'maxmemory'.", "no"],
    [409, "GET", "WRONGTYPE Operation against a key holding the wrong kind of value", "no"],
    [504, "PUT", "UNCERTAIN the log failed", "maybe"],
    [504, "DELETE", "CLOSED the node closed the connection before it answered", "maybe"],
    [503, "PUT", "CLOSED the client or its node is closed", "no"],
    [503, "GET", "CLOSED the node closed the connection before it answered", "maybe"],
    [500, "PUT", "ERR something else", "no"],
  ];
  return serving({ client }, async (base) => {
    for (const [status, method, text, applied] of cases) {
      const waiting = http(base, method, "/kv/a", method === "PUT" ? { body: "x" } : {});
      await until(() => calls.length === 1);
      const [code] = text.split(" ") as [string];
      calls.pop()?.answer(new StoreError(code, text, applied));
      const answer = await waiting;
      assert.equal([answer.status, errorIn(answer)], [status, code], `${method} ${text}`);
      const told = JSON.parse(answer.body.toString()) as { applied?: string; message?: string };
      assert.is(told.applied, status === 504 ? "maybe" : "no", text);
      assert.is(told.message, text.slice(code.length + 1), "the code is said once");
    }
  });
});

test("an operation without an answer: 504 for writes, 503 for reads; its client is not used again before it has ended", () => {
  const { client, calls, opened } = manual();
  return serving({ client, limits: { operationMs: 500, operationsMax: 2 } }, async (base) => {
    const [write, read] = await Promise.all([http(base, "DELETE", "/kv/a"), http(base, "GET", "/kv/a")]);
    assert.equal([write.status, errorIn(write)], [504, "UNCERTAIN"]);
    assert.equal([read.status, errorIn(read)], [503, "TIMEOUT"]);
    assert.equal([(await http(base, "GET", "/kv/a")).status, opened()], [503, 2], "they still count");
    for (const call of calls) call.answer(null);
    const next = http(base, "GET", "/kv/a");
    await until(() => calls.length === 3);
    calls[2]?.answer(null);
    assert.equal([(await next).status, opened()], [404, 2]);
  });
});

test("a value that this node holds gives its reading more time, 2 s a MiB; its connection is not taken for stalled", () => {
  const { client, calls } = manual();
  return serving({ client, limits: { operationMs: 50, stallMs: 100 } }, async (base) => {
    const [large, small] = [http(base, "GET", "/kv/large"), http(base, "GET", "/kv/small")];
    assert.is((await small).status, 503);
    await new Promise((resolve) => setTimeout(resolve, 400));
    for (const call of calls) call.answer(null);
    assert.is((await large).status, 404);
  });
});

test("health and status follow what INFO says", () => {
  const { client, calls } = manual();
  return serving({ client }, async (base) => {
    const ask = async (path: string, info: string): Promise<[number, Record<string, unknown>]> => {
      const waiting = http(base, "GET", path);
      await until(() => calls.length === 1);
      calls.pop()?.answer(info.split(" ").join("\r\n"));
      const { status, body } = await waiting;
      return [status, JSON.parse(body.toString())];
    };
    const reasonsOf = (answer: Record<string, unknown>): string[] =>
      (answer["reasons"] as { code: string }[]).map(({ code }) => code);
    const three = ["n1,state=up,self=1,port=7001", "n2,state=up,self=0,port=7002", "n3,state=down,self=0,port=0"];
    const members = three.map((text, i) => `member_${i}:id=${text}`).join(" ");
    const cluster = (ok: number, suspect: number, fail: number, up: number): string =>
      `kvorum_cluster_state:${fail > 0 ? "fail" : "ok"} kvorum_cluster_name:dev kvorum_cluster_self:n1 kvorum_cluster_members:3 kvorum_cluster_members_up:${up} kvorum_cluster_n:3 kvorum_cluster_slots_ok:${ok} kvorum_cluster_slots_suspect:${suspect} kvorum_cluster_slots_fail:${fail} ${members}`;
    const cases: [number, string, string[], string][] = [
      [200, "ok", [], "loading:0 aof_last_write_status:ok"],
      [503, "unavailable", ["LOADING"], "loading:1 loading_loaded_perc:12.00"],
      [200, "degraded", ["MISCONF"], "loading:0 aof_last_write_status:err"],
      [200, "ok", [], cluster(16384, 0, 0, 3)],
      [200, "degraded", ["NODES_DOWN"], cluster(16384, 0, 0, 2)],
      [200, "degraded", ["SUSPECT"], cluster(0, 16384, 0, 1)],
      [200, "degraded", ["PARTLY_NO_QUORUM"], cluster(10_000, 0, 6384, 2)],
      [503, "unavailable", ["NO_QUORUM"], cluster(0, 0, 16384, 1)],
      [200, "degraded", ["READ_ONLY"], `${cluster(0, 0, 16384, 1)} kvorum_cluster_slots_read_only:16384`],
      [200, "degraded", ["CLOCK"], `${cluster(16384, 0, 0, 3)} kvorum_clock_corrected_ms:-3600000`],
      [200, "degraded", ["READ_ONLY"], `${cluster(0, 0, 16384, 1)} kvorum_cluster_slots_read_only:4`],
    ];
    for (const [status, word, codes, info] of cases) {
      const [got, health] = await ask("/health", info);
      assert.equal([got, health["status"], reasonsOf(health)], [status, word, codes], info);
    }
    const [, status] = await ask("/cluster/status", cluster(10_000, 0, 6384, 2));
    const { ok, alone, cluster: name, seenBy, members: count, membersUp, slotsFail, notUp } = status;
    assert.equal(
      [ok, alone, name, seenBy, count, membersUp, slotsFail, notUp],
      [false, false, "dev", "n1", 3, 2, 6384, ["n3"]],
    );
    const [, nodes] = await ask("/cluster/nodes", cluster(16384, 0, 0, 2));
    assert.is(nodes["seenBy"], "n1");
    assert.equal(nodes["nodes"], [
      { id: "n1", state: "up", self: true, port: 7001 },
      { id: "n2", state: "up", self: false, port: 7002 },
      { id: "n3", state: "down", self: false, port: 0 },
    ]);
  });
});

test("names that the operator gave are taken as Host", () =>
  serving({}, async (base) => {
    assert.is((await http(base, "GET", "/kv/a", { headers: { host: "kv.internal:80" } })).status, 404);
    assert.is((await http(base, "GET", "/kv/a", { headers: { host: "other.internal:80" } })).status, 403);
  }));

test("a stop answers what is under way, gives up bodies that are not there yet, and takes nothing new", () => {
  const { client, calls } = manual();
  return serving({ client }, async (base, server) => {
    const waiting: Promise<HttpAnswer> = http(base, "PUT", "/kv/a", { body: "x" });
    const halfway = new Raw(base);
    halfway.send("PUT /kv/b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n1");
    const idle = new Raw(base);
    idle.send("OPTIONS /kv/a HTTP/1.1\r\nHost: localhost\r\n\r\n");
    await idle.until(/204/);
    await until(() => calls.length === 1);
    const stopped = server.stop(NO_STOP_MS);
    await Promise.all([idle.closed, halfway.until(/^HTTP\/1\.1 503 [\s\S]*"applied":"no"/)]);
    await http(base, "GET", "/kv/a").then(
      () => assert.unreachable("it was served"),
      (error: NodeJS.ErrnoException) => assert.is(error.code, "ECONNREFUSED"),
    );
    calls[0]?.answer([Buffer.from("v1"), 1]);
    assert.is((await waiting).status, 201);
    await within(NO_STOP_MS - 1000, stopped, "the stop, before its time is over");
  });
});

test("a stop does not wait longer than it may", () => {
  const { client, calls } = manual();
  return serving({ client }, async (base, server) => {
    const waiting = http(base, "DELETE", "/kv/a").catch((error: Error) => error);
    await until(() => calls.length === 1);
    await within(WAIT_MS, server.stop(50), "the stop");
    assert.instance(await waiting, Error);
    calls[0]?.answer(0); // else its time goes on, ten seconds, and the process with it
  });
});

test.run();
