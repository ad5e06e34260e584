/**
 * test/unit/server/session-bounds.test.ts: what one client of many may cost the others, over real sockets: large values, clients that never read,
 * monitors, too many, idle and foreign ones; and those that are told to wait, to be silent or to go. On both paths, as in session.test.ts.
 */
// timeout: 120s
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { clampWarning, RESERVED_DESCRIPTORS } from "../../../src/server/admission.js";
import { checkTimes } from "../../../src/server/client-limits.js";
import type { Session } from "../../../src/server/session.js";
import { both, command, type RawClient, sleep, startServer, until } from "./harness.js";

const PATIENCE_MS = 60_000;

both("a value as large as may be: 16 MiB", { config: { maxValueBytes: 16 * 1024 * 1024 } }, async (h) => {
  const c = await h.client();
  const size = 16 * 1024 * 1024;
  const value = Buffer.alloc(size, "abcdefghijklmnop");
  c.write(`*3\r\n$3\r\nSET\r\n$3\r\nbig\r\n$${size}\r\n`);
  c.write(value);
  c.write("\r\n");
  await c.expect("+OK\r\n");
  c.send("GET", "big");
  const chunks: Buffer[] = [];
  let total = 0;
  await c.until(
    () => {
      total += c.received.length;
      chunks.push(c.received);
      c.received = Buffer.alloc(0);
      return total >= size + 13;
    },
    "the value",
    PATIENCE_MS,
  );
  const reply = Buffer.concat(chunks);
  assert.is(reply.subarray(0, 11).latin1Slice(), `$${size}\r\n`);
  assert.ok(reply.subarray(11, 11 + size).equals(value));
  c.write(`*3\r\n$3\r\nSET\r\n$3\r\nbig\r\n$${size + 1}\r\n`);
  assert.is(await c.line(), "-ERR Protocol error: invalid bulk length");
  await c.closed();
});

both(
  "a declared length that never comes costs nothing",
  { config: { maxValueBytes: 512 * 1024 * 1024 } },
  async (h) => {
    const before = process.memoryUsage();
    const clients: RawClient[] = [];
    for (let i = 0; i < 50; i++) {
      const c = await h.client();
      c.write("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536866816\r\nabc");
      c.write("*1000000\r\n$1\r\n");
      clients.push(c);
    }
    await sleep(100);
    const after = process.memoryUsage();
    assert.ok(after.arrayBuffers - before.arrayBuffers < 10 * 1024 * 1024);
    assert.is(await (await h.client()).ask("PING"), "+PONG");
  },
);

both("an argument is never longer than text may be", { config: { maxValueBytes: 512 * 1024 * 1024 } }, async (h) => {
  // One that is: Buffer.alloc(2 ** 29).latin1Slice() throws.
  for (const length of [2 ** 29, 2 ** 29 - 4095]) {
    const c = await h.client();
    c.write(`*3\r\n$6\r\nCLIENT\r\n$${length}\r\n`);
    assert.is(await c.line(), "-ERR Protocol error: invalid bulk length");
    await c.closed();
  }
});

both("a client that never reads is not read from either, and harms nobody", {}, async (h) => {
  const value = "x".repeat(100_000);
  const other = await h.client();
  assert.is(await other.ask("SET", "v", value), "+OK");
  const c = await h.client();
  c.socket.pause();
  // 2 GB of replies, were they all made.
  c.write(command("GET", "v").repeat(20_000));
  await sleep(300);
  const session = [...h.server.sessions.values()].at(-1);
  assert.ok(session !== undefined && session.unsentBytes < 4 * 1024 * 1024, String(session?.unsentBytes));
  assert.ok(session.queryBytes < 1024 * 1024);
  assert.is(await other.ask("PING"), "+PONG");
  c.socket.resume();
  await until(() => c.received.length > 0, "it reads again");
});

both(
  "a client over its hard output limit is cut off",
  { config: { clientOutputBufferLimit: "normal 2mb 0 0" } },
  async (h) => {
    const other = await h.client();
    assert.is(await other.ask("SET", "v", "x".repeat(16 * 1024 * 1024)), "+OK");
    const c = await h.client();
    c.socket.pause();
    c.send("GET", "v");
    c.send("GET", "v");
    await until(() => h.server.sessions.size === 1, "it is cut off");
    assert.is(h.server.traffic.outputLimitDisconnections, 1);
    assert.ok(h.logged.some((line) => line.includes("not taken")));
    assert.is(await other.ask("PING"), "+PONG");
  },
);

both("a monitor's own commands are shown behind their replies", {}, async (h) => {
  const c = await h.client();
  c.write(command("SET", "a", "1") + command("MONITOR") + command("PING") + command("ECHO", "x"));
  await c.expect("+OK\r\n+OK\r\n+PONG\r\n$1\r\nx\r\n");
  assert.match(await c.line(), /"PING"$/);
  assert.match(await c.line(), /"ECHO" "x"$/);
});

both(
  "a monitor does nothing with keys, is told once that it is one, and RESET makes it a client again",
  {},
  async (h) => {
    const c = await h.client();
    const refusal = "-ERR Replica can't interact with the keyspace\r\n";
    c.write(
      command("MONITOR") + command("GET", "a") + command("SET", "a", "1") + command("DBSIZE") + command("MONITOR"),
    );
    await c.expect(`+OK\r\n${refusal}${refusal}${refusal}`);
    c.write(command("RESET") + command("SET", "a", "1") + command("GET", "a"));
    await c.expect("+RESET\r\n+OK\r\n$1\r\n1\r\n");
    // What it queues is refused too, and breaks the transaction.
    c.write(command("MULTI") + command("GET", "a") + command("EXEC") + command("MONITOR") + command("MULTI"));
    await c.expect("+OK\r\n+QUEUED\r\n*1\r\n$1\r\n1\r\n+OK\r\n+OK\r\n");
    assert.match(await c.line(), /"MULTI"$/);
    c.write(command("GET", "a") + command("EXEC"));
    await c.expect(`${refusal}-EXECABORT Transaction discarded because of previous errors.\r\n`);
  },
);

both("a monitor that wants no replies is shown nothing", {}, async (h) => {
  const c = await h.client();
  assert.is(await c.ask("MONITOR"), "+OK");
  c.write(command("CLIENT", "REPLY", "OFF") + command("PING") + command("CLIENT", "REPLY", "ON"));
  await c.expect("+OK\r\n");
});

both("MONITOR inside a transaction is refused", {}, async (h) => {
  const c = await h.client();
  c.write(command("MULTI") + command("MONITOR") + command("EXEC"));
  await c.expect("+OK\r\n+QUEUED\r\n*1\r\n-ERR MONITOR isn't allowed for DENY BLOCKING client\r\n");
});

both("a monitor that never reads is cut off", { config: { clientOutputBytesMax: 65536 } }, async (h) => {
  const monitor = await h.client();
  assert.is(await monitor.ask("MONITOR"), "+OK");
  monitor.socket.pause();
  const c = await h.client();
  for (let i = 0; i < 400 && h.server.sessions.size === 2; i++)
    assert.is(await c.ask("EXISTS", ...new Array(5000).fill("kkk")), ":0");
  assert.is(h.server.sessions.size, 1);
  assert.is(await c.ask("PING"), "+PONG");
});

both(
  "more unparsed bytes than the limit close the connection",
  { config: { clientQueryBufferLimit: 1024 * 1024, maxValueBytes: 1024 * 1024 } },
  async (h) => {
    const c = await h.client();
    c.write(command("MSET", ...Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? `k${i}` : "x".repeat(200_000)))));
    await c.closed();
    assert.is(h.server.traffic.queryLimitDisconnections, 1);
  },
);

both(
  "a transaction may not be queued without end",
  { config: { clientQueryBufferLimit: 1024 * 1024, maxValueBytes: 1024 * 1024 } },
  async (h) => {
    const c = await h.client();
    c.write(command("MULTI") + command("SET", "k", "x".repeat(100_000)).repeat(20));
    await c.closed();
    const other = await h.client();
    const keys = Array.from({ length: 400 }, (_, i) => `key${i}`);
    // Those that are watched already cost nothing.
    for (let i = 0; i < 3; i++) assert.is(await other.ask("WATCH", ...keys), "+OK");
    other.write(command("WATCH", ...keys.map((key) => key + "x".repeat(100))).repeat(4));
    await other.expect("+OK\r\n".repeat(4));
    other.write(command("WATCH", ...keys.map((key) => key + "y".repeat(200))));
    await other.closed();
  },
);

function heapBytes(): number {
  setFlagsFromString("--expose-gc");
  runInNewContext("gc")();
  return process.memoryUsage().heapUsed;
}

test("what is queued and watched is counted with all that it costs", async () => {
  const h = await startServer();
  try {
    const c = await h.client();
    assert.is(await c.ask("MULTI"), "+OK");
    const transactionBytes = (): number => [...h.server.sessions.values()][0].transaction?.bytes ?? 0;
    const queue = async (count: number): Promise<void> => {
      c.write("PING\r\n".repeat(count));
      await c.take("+QUEUED\r\n".length * count);
      c.received = Buffer.alloc(0);
    };
    await queue(1000);
    let counted = transactionBytes();
    let heap = heapBytes();
    await queue(200_000);
    heap = heapBytes() - heap;
    counted = transactionBytes() - counted;
    assert.ok(heap < counted, `queued: ${heap} bytes of heap, ${counted} counted`);
    assert.is(await c.ask("DISCARD"), "+OK");
    const watch = async (from: number): Promise<void> => {
      for (let at = from; at < from + 20_000; at += 1000) {
        const keys = Array.from({ length: 1000 }, (_, i) => `a watched key with number ${at + i}`);
        assert.is(await c.ask("WATCH", ...keys), "+OK");
      }
    };
    await watch(0);
    counted = transactionBytes();
    heap = heapBytes();
    await watch(20_000);
    heap = heapBytes() - heap;
    counted = transactionBytes() - counted;
    assert.ok(heap < counted, `watched: ${heap} bytes of heap, ${counted} counted`);
  } finally {
    await h.close();
  }
});

both("maxclients", { config: { maxclients: 2 } }, async (h) => {
  const first = await h.client();
  const second = await h.client();
  assert.is(await first.ask("PING"), "+PONG");
  assert.is(await second.ask("PING"), "+PONG");
  const third = await h.client();
  assert.is(await third.line(), "-ERR max number of clients reached");
  await third.closed();
  second.destroy();
  await until(() => h.server.sessions.size === 1, "its place is free");
  assert.is(await (await h.client()).ask("PING"), "+PONG");
});

both(
  "fewer than maxclients where the process has descriptors for no more",
  { config: { maxclients: 5000 } },
  async (h) => {
    Object.assign(h.server.parts.system, { descriptorsMax: RESERVED_DESCRIPTORS + 5000 });
    assert.is(clampWarning(h.server), undefined);
    Object.assign(h.server.parts.system, { descriptorsMax: RESERVED_DESCRIPTORS + 1 });
    assert.match(clampWarning(h.server) ?? "", "maxclients is 5000, and the process may have 65 descriptors");
    const only = await h.client();
    assert.is(await only.ask("PING"), "+PONG");
    assert.is(await (await h.client()).line(), "-ERR max number of clients reached");
    only.write("INFO clients\r\n");
    assert.match(await only.bulk(), "maxclients:1\r\n");
  },
);

both("EXEC: commands ask whether the batch takes what they write, however little it is", {}, async (h) => {
  const c = await h.client();
  assert.is(await c.ask("MULTI"), "+OK");
  h.storage.batchBytesMax = 50_000;
  for (const [key, offset] of [
    ["a", 100],
    ["b", 60_000],
    ["c", 10_000],
  ])
    assert.is(await c.ask("SETRANGE", String(key), String(offset), "x"), "+QUEUED");
  assert.is(await c.ask("SET", "d", "y".repeat(1000)), "+QUEUED");
  assert.is(await c.ask("INCR", "e"), "+QUEUED");
  c.send("EXEC");
  const refused = "-MISCONF Errors writing to the log: too much waits to be written\r\n";
  await c.expect(`*5\r\n:101\r\n${refused}:10001\r\n+OK\r\n:1\r\n`);
  const { asked } = h.storage;
  assert.is(asked.length, 4);
  const [a, b, third, e] = asked as [number, number, number, number];
  assert.ok(third - 10_001 > 1000, "what is still to come of the transaction is counted too");
  assert.ok(third < 13_000, String(third));
  assert.ok(a - 101 > b - 60_001 && b - 60_001 > third - 10_001, "and not what has run: the batch holds it already");
  assert.is(e, 1);
  assert.is(await c.ask("EXISTS", "a", "b", "c"), ":2");
  // Outside, the disk is asked, and for what is large.
  assert.is(await c.ask("SETRANGE", "b", "60000", "x"), ":60001");
  assert.is(asked.length, 4);
});

both("timeout closes the idle", { config: { timeout: 1 } }, async (h) => {
  const idle = await h.client();
  let busy = await h.client();
  let last = performance.now();
  const giveUp = last + PATIENCE_MS;
  while (!idle.ended && last < giveUp) {
    // When this process stood still for so long, that one is idle by right.
    if (performance.now() - last > 700) busy = await h.client();
    assert.is(await busy.ask("PING"), "+PONG");
    last = performance.now();
    await sleep(50);
  }
  await idle.closed();
  assert.is(await busy.ask("PING"), "+PONG");
});

both(
  "timeout does not close who takes a reply, however slowly, but who takes no more of it",
  { config: { timeout: 1, maxValueBytes: 32 * 1024 * 1024 } },
  async (h) => {
    // The clock is the test's.
    h.server.stop();
    const bytes = 32 * 1024 * 1024;
    assert.is(await (await h.client()).ask("SETRANGE", "large", String(bytes - 1), "x"), `:${bytes}`);
    const reader = await h.client();
    let allowed = 0;
    reader.socket.removeAllListeners("data");
    reader.socket.on("data", ({ length }) => {
      allowed -= length;
      if (allowed <= 0) reader.socket.pause();
    });
    reader.send("GET", "large");
    const session = [...h.server.sessions.values()].at(-1) as Session;
    await until(() => session.unsentBytes > 0, "the reply is on its way");
    checkTimes(session, h.server.nowMs);
    for (let i = 0; i < 3; i++) {
      const before = session.unsentBytes;
      const falls = (): boolean => {
        allowed += 256 * 1024;
        reader.socket.resume();
        return session.unsentBytes < before;
      };
      await until(falls, "it takes some");
      reader.socket.pause();
      h.server.nowMs += 1500;
      checkTimes(session, h.server.nowMs);
      assert.not.ok(session.closing);
      assert.ok(session.unsentBytes > 0);
    }
    // What is on its way in the system may still be taken.
    for (let i = 0; i < 20 && !session.closing; i++) {
      await sleep(20);
      h.server.nowMs += 1500;
      checkTimes(session, h.server.nowMs);
    }
    assert.ok(session.closing);
  },
);

both(
  "timeout does not close who waits for the log, nor at once when it came",
  { config: { timeout: 1 }, manual: true },
  async (h) => {
    h.server.stop();
    const c = await h.client();
    c.send("SET", "a", "1");
    await until(() => h.space.appendedLsn === 1, "it waits");
    const session = [...h.server.sessions.values()].at(-1) as Session;
    const look = (ms: number): void => {
      h.server.nowMs += ms;
      checkTimes(session, h.server.nowMs);
    };
    look(5000);
    assert.not.ok(session.closing);
    h.commit();
    await c.expect("+OK\r\n");
    look(900);
    assert.is(await c.ask("PING"), "+PONG");
    look(1100);
    await c.closed();
  },
);

both("requests of a browser are dropped", {}, async (h) => {
  const c = await h.client();
  c.write("POST / HTTP/1.1\r\nHost: localhost\r\n\r\nSET a 1\r\n");
  await c.closed();
  assert.is(c.received.length, 0);
  assert.ok(h.logged.some((line) => line.includes("security")));
  const other = await h.client();
  other.write("*2\r\n$5\r\nHost:\r\n$1\r\nx\r\n");
  await other.closed();
});

both("CLIENT REPLY OFF, SKIP and ON", {}, async (h) => {
  const c = await h.client();
  c.write("client reply skip\r\nset a 1\r\nget a\r\n");
  await c.expect("$1\r\n1\r\n");
  c.write("client reply off\r\nset a 2\r\nnosuch\r\nget\r\nget a\r\nclient reply on\r\nget a\r\n");
  await c.expect("+OK\r\n$1\r\n2\r\n");
});

both("EXEC when memory has become full since its commands were queued", { config: { maxmemory: 1000 } }, async (h) => {
  const c = await h.client();
  c.write("multi\r\nset a 1\r\nget a\r\n");
  await c.expect("+OK\r\n+QUEUED\r\n+QUEUED\r\n");
  h.storage.room = false;
  const refused =
    "-EXECABORT Transaction discarded because of: OOM command not allowed when used memory > 'maxmemory'.";
  assert.is(await c.ask("EXEC"), refused);
  assert.is(await c.ask("EXEC"), "-ERR EXEC without MULTI");
  c.send("GET", "a");
  await c.expect("$-1\r\n");
});

both("CLIENT PAUSE holds back and lets go", {}, async (h) => {
  const admin = await h.client();
  const c = await h.client();
  assert.is(await admin.ask("CLIENT", "PAUSE", "10000", "WRITE"), "+OK");
  assert.is(await c.ask("PING"), "+PONG");
  c.write("set 'a b' 1\r\nget 'a b'\r\n");
  await sleep(40);
  assert.is(c.received.length, 0);
  admin.send("INFO", "clients");
  assert.match(await admin.bulk(), /\r\nblocked_clients:1\r\n/);
  admin.send("CLIENT", "LIST");
  assert.match(await admin.bulk(), / flags=b .* cmd=set /);
  // Nor is anything removed meanwhile.
  assert.ok(h.storage.paused);
  assert.is(await admin.ask("CLIENT", "UNPAUSE"), "+OK");
  assert.not.ok(h.storage.paused);
  await c.expect("+OK\r\n$1\r\n1\r\n");
  admin.send("INFO", "clients");
  assert.match(await admin.bulk(), /\r\nblocked_clients:0\r\n/);
  assert.is(await admin.ask("CLIENT", "PAUSE", "60"), "+OK");
  const started = performance.now();
  assert.is(await c.ask("PING"), "+PONG");
  assert.ok(performance.now() - started > 30);
  assert.not.ok(h.storage.paused);
});

both("CLIENT PAUSE WRITE holds a write before it is queued, and EXEC; a monitor is never held", {}, async (h) => {
  const [admin, c, monitor] = [await h.client(), await h.client(), await h.client()];
  assert.is(await admin.ask("CLIENT", "PAUSE", "100000", "WRITE"), "+OK");
  c.write(command("MULTI") + command("GET", "a") + command("SET", "a", "1") + command("EXEC"));
  await c.expect("+OK\r\n+QUEUED\r\n");
  await until(() => h.server.pausedSessions.size === 1, "the write is held");
  assert.is(c.received.length, 0);
  assert.is(await admin.ask("CLIENT", "UNPAUSE"), "+OK");
  await c.expect("+QUEUED\r\n*2\r\n$-1\r\n+OK\r\n");
  assert.is(await monitor.ask("MONITOR"), "+OK");
  assert.is(await admin.ask("CLIENT", "PAUSE", "100000", "ALL"), "+OK");
  assert.is(await monitor.ask("PING"), "+PONG");
  assert.is(await admin.ask("CLIENT", "UNPAUSE"), "+OK");
});

both("CLIENT PAUSE: a client that goes meanwhile, whole or by half, does not have its command run", {}, async (h) => {
  const [admin, gone, half, stays] = [await h.client(), await h.client(), await h.client(), await h.client()];
  assert.is(await admin.ask("CLIENT", "PAUSE", "100000", "WRITE"), "+OK");
  gone.send("SET", "gone", "1");
  half.write(command("ECHO", "before") + command("SET", "half", "1") + command("SET", "half", "2"));
  stays.write(command("SET", "stays", "1") + command("SET", "stays", "2"));
  await half.expect("$6\r\nbefore\r\n");
  await until(() => h.server.pausedSessions.size === 3, "they are held");
  gone.destroy();
  half.socket.end();
  await until(() => h.server.pausedSessions.size === 1, "they are gone");
  await half.closed();
  assert.is(await admin.ask("CLIENT", "UNPAUSE"), "+OK");
  await stays.expect("+OK\r\n+OK\r\n");
  assert.is(await admin.ask("EXISTS", "gone", "half"), ":0");
  assert.is(half.received.length, 0);
});

both("CLIENT REPLY OFF and SKIP: a protocol error is not told either, but ends the connection", {}, async (h) => {
  for (const before of ["client reply off\r\n", "client reply skip\r\n"]) {
    const c = await h.client();
    c.write(`${before}*x\r\n`);
    await c.closed();
    assert.is(c.received.length, 0);
  }
  const c = await h.client();
  c.write("client reply skip\r\nping\r\n*x\r\n");
  await c.expect("-ERR Protocol error: invalid multibulk length\r\n");
  await c.closed();
});

both("CLIENT REPLY inside EXEC: OFF and SKIP withhold all of its answer, ON gives all of it", {}, async (h) => {
  const c = await h.client();
  const queued = "+OK\r\n+QUEUED\r\n+QUEUED\r\n";
  c.write("multi\r\nset a 1\r\nclient reply off\r\nexec\r\nget a\r\nclient reply on\r\nget a\r\n");
  await c.expect(`${queued}+OK\r\n$1\r\n1\r\n`);
  c.write("multi\r\nset a 2\r\nclient reply skip\r\nexec\r\necho skipped\r\nget a\r\n");
  await c.expect(`${queued}$1\r\n2\r\n`);
  c.write("client reply off\r\nmulti\r\nclient reply on\r\nget a\r\nexec\r\n");
  await c.expect("*2\r\n+OK\r\n$1\r\n2\r\n");
});

both("CLIENT KILL, and a server that closes", {}, async (h) => {
  const c = await h.client();
  const other = await h.client();
  const id = (await other.ask("CLIENT", "ID")).slice(1);
  assert.is(await c.ask("CLIENT", "KILL", "ID", id), ":1");
  await other.closed();
  assert.is(await c.ask("CLIENT", "KILL", "ID", id), ":0");
  h.server.close(false);
  await c.closed();
});

both("who was killed is found no more, by the next command already", { config: { maxclients: 3 } }, async (h) => {
  const [c, first, second] = [await h.client(), await h.client(), await h.client()];
  const ids = [await first.ask("CLIENT", "ID"), await second.ask("CLIENT", "ID")].map((reply) => reply.slice(1));
  const { remote } = h.server.sessions.get(Number(ids[1]))?.connection ?? { remote: "" };
  c.write(command("CLIENT", "KILL", "ID", ids[0]).repeat(2) + command("CLIENT", "KILL", remote).repeat(2));
  await c.expect(":1\r\n:0\r\n+OK\r\n-ERR No such client\r\n");
  await first.closed();
  await second.closed();
  const third = await h.client();
  const id = (await third.ask("CLIENT", "ID")).slice(1);
  c.write(command("CLIENT", "KILL", "ID", id) + command("CLIENT", "LIST") + command("CLIENT", "LIST", "ID", id));
  await c.expect(":1\r\n");
  assert.not.match(await c.bulk(), `id=${id} `);
  assert.is(await c.bulk(), "");
  c.write(command("CLIENT", "KILL", "TYPE", "normal") + command("INFO", "clients"));
  await c.expect(":0\r\n");
  assert.match(await c.bulk(), "connected_clients:1\r\n");
});

test("two thousand idle connections, and what each costs", async () => {
  const h = await startServer();
  const clients: RawClient[] = [];
  // Ten thousand of a real process: test/integration/limits.test.ts.
  const wanted = 2000;
  const before = process.memoryUsage().rss;
  try {
    for (let i = 0; i < wanted; i += 100)
      clients.push(...(await Promise.all(Array.from({ length: 100 }, () => h.client()))));
    // Connected means queued by the kernel; accepted comes after.
    await until(() => h.server.sessions.size === wanted, "all are accepted");
    assert.is(await (clients[17] as RawClient).ask("PING"), "+PONG");
    assert.is(await (clients.at(-1) as RawClient).ask("SET", "a", "1"), "+OK");
    const each = (process.memoryUsage().rss - before) / wanted;
    assert.ok(each < 30_000, `${each} bytes for both ends of a connection`);
  } finally {
    await h.close();
  }
});

test.run();
