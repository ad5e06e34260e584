/**
 * test/unit/server/session.test.ts: sessions over real sockets: pieces, order, what replies wait for, half-closed clients, a stop. Every test
 * runs on the direct path of platform/direct-socket.ts and on the plain one.
 */
// timeout: 120s
import { test } from "uvu";
import * as assert from "uvu/assert";
import { STALLED_LOG } from "../../../src/server/flow.js";
import { both, command, type Harness, type RawClient, sleep, until } from "./harness.js";

/** So many writes have reached the log: what is sent now comes after them. */
function appended(h: Harness, lsn: number): Promise<void> {
  return until(() => h.space.appendedLsn >= lsn, `write ${lsn}`);
}

both("half a command per packet", {}, async (h) => {
  const c = await h.client();
  const bytes = command("SET", "key", "value") + command("GET", "key") + "ping\r\n";
  for (const byte of bytes) {
    c.write(byte);
    await sleep(1);
  }
  await c.expect("+OK\r\n$5\r\nvalue\r\n+PONG\r\n");
});

both("a pipeline of 30,000 commands keeps its order and lets others have their turn", {}, async (h) => {
  const c = await h.client();
  const other = await h.client();
  const count = 30_000;
  let bytes = "";
  for (let i = 0; i < count; i++) bytes += command("ECHO", String(i));
  c.write(bytes);
  assert.is(await other.ask("PING"), "+PONG");
  for (let i = 0; i < count; i++) {
    const text = String(i);
    await c.expect(`$${text.length}\r\n${text}\r\n`);
  }
});

both("replies wait for what they depend on, and nothing else waits", { manual: true }, async (h) => {
  const c = await h.client();
  const other = await h.client();
  other.send("SET", "old", "1");
  await appended(h, 1);
  h.commit();
  await other.expect("+OK\r\n");
  // The write waits, and everything behind it on its connection.
  c.write(command("PING") + command("SET", "new", "2") + command("PING") + command("GET", "old"));
  await c.expect("+PONG\r\n");
  await sleep(30);
  assert.is(c.received.length, 0);
  // Another connection reads what is durable at once, and what is not when it has become so.
  assert.is(await other.ask("GET", "old"), "$1");
  await other.expect("1\r\n");
  other.send("GET", "new");
  await sleep(30);
  assert.is(other.received.length, 0);
  // More of the same connection queues up behind.
  c.send("ECHO", "last");
  await sleep(10);
  assert.is(c.received.length, 0);
  h.commit();
  await c.expect("+OK\r\n+PONG\r\n$1\r\n1\r\n$4\r\nlast\r\n");
  await other.expect("$1\r\n2\r\n");
  assert.is(await c.ask("PING"), "+PONG");
});

both("each reply leaves with its own commit", { manual: true }, async (h) => {
  const c = await h.client();
  c.send("SET", "a", "1");
  await appended(h, 1);
  c.send("SET", "b", "2");
  await appended(h, 2);
  h.space.setDurable(1);
  h.server.logWaiters.durable();
  await c.expect("+OK\r\n");
  await sleep(20);
  assert.is(c.received.length, 0);
  h.commit();
  await c.expect("+OK\r\n");
});

both("a failed log answers what waits with UNCERTAIN, one error per reply", { manual: true }, async (h) => {
  const c = await h.client();
  c.write(command("SET", "a", "1") + command("GET", "a") + command("SET", "b", "1"));
  await appended(h, 2);
  c.send("SET", "c", "1");
  await appended(h, 3);
  h.storage.failed = true;
  h.storage.refusal = "Input/output error";
  h.server.logWaiters.logFailed();
  for (let i = 0; i < 4; i++) assert.match(await c.line(), /^-UNCERTAIN /);
  assert.is(await c.ask("SET", "d", "1"), "-MISCONF Errors writing to the log: Input/output error");
  assert.match(await c.ask("GET", "a"), /^-UNCERTAIN /);
  assert.is(await c.ask("PING"), "+PONG");
});

both(
  "a failed log: replies that wait behind others in reads of their own are counted too",
  { manual: true },
  async (h) => {
    const c = await h.client();
    const other = await h.client();
    const fail = (): void => {
      h.storage.failed = true;
      h.server.logWaiters.logFailed();
    };
    /** Everything that was sent, in several reads, has run. */
    const ran = async (sent: number): Promise<void> =>
      await until(() => h.server.statistics.totalCalls >= sent, "it has run");
    c.send("SET", "a", "1");
    await appended(h, 1);
    c.send("PING");
    await ran(2);
    // One that is put off, and one before a write in the same read.
    c.send("SAVE");
    await until(() => h.storage.snapshots === 1 && h.server.blockedClients === 0, "it is saved");
    c.write(command("PING") + command("SET", "b", "1") + command("PING"));
    await appended(h, 2);
    fail();
    for (let i = 0; i < 6; i++) assert.match(await c.line(), /^-UNCERTAIN /);
    assert.is(await c.ask("PING"), "+PONG");
    // What is no command is answered once too.
    h.storage.failed = false;
    h.storage.refusal = undefined;
    other.send("SET", "c", "1");
    await appended(h, 3);
    other.write("*x\r\n");
    await until(() => [...h.server.sessions.values()].some(({ closing }) => closing), "it was read");
    fail();
    for (let i = 0; i < 2; i++) assert.match(await other.line(), /^-UNCERTAIN /);
    await other.closed();
  },
);

both("a log that does not keep up holds writers back, readers not", { manual: true }, async (h) => {
  const writer = await h.client();
  const reader = await h.client();
  h.storage.congested = true;
  writer.send("SET", "a", "1");
  await appended(h, 1);
  writer.send("SET", "b", "1");
  await sleep(20);
  assert.is(h.space.appendedLsn, 1);
  assert.is(await reader.ask("GET", "nokey"), "$-1");
  assert.is(await reader.ask("PING"), "+PONG");
  h.storage.congested = false;
  h.commit();
  await writer.expect("+OK\r\n");
  await appended(h, 2);
  h.commit();
  await writer.expect("+OK\r\n");
});

both("a half-closed client still gets its replies", { manual: true }, async (h) => {
  const c = await h.client();
  c.socket.end(command("SET", "a", "1"));
  await appended(h, 1);
  h.commit();
  await c.expect("+OK\r\n");
  await c.closed();
});

both("a half-closed client's commands all run", {}, async (h) => {
  const c = await h.client();
  // SAVE keeps what follows waiting until the end of the stream has come.
  c.socket.end(`${command("SAVE")}${command("SET", "a", "1")}${command("ECHO", "last")}`);
  await c.expect("+OK\r\n+OK\r\n$4\r\nlast\r\n");
  await c.closed();
});

both("a pipeline of a half-closed client that takes many turns runs to its end", {}, async (h) => {
  const c = await h.client();
  const count = 20_000;
  c.socket.end("INCR n\r\n".repeat(count));
  await c.take(Array.from({ length: count }, (_, i) => `:${i + 1}\r\n`).join("").length);
  await c.closed();
  assert.is(c.received.length, 0);
});

/** As a node that stops. */
async function stopped(h: Harness): Promise<void> {
  h.server.lastCall();
  await until(() => !h.server.draining, "everything is answered");
  h.server.close(false);
}

both(
  "a stop: commands that wait for their turn run and are answered, what comes later and half a command do not",
  {},
  async (h) => {
    const [c, idle] = [await h.client(), await h.client()];
    const count = 20_000;
    assert.is(await idle.ask("PING"), "+PONG");
    c.write(`${"INCR n\r\n".repeat(count)}INC`);
    await until(
      () => [...h.server.sessions.values()].some(({ flow, queryBytes }) => flow.willRun && queryBytes > 1000),
      "it waits",
    );
    const queued = [...h.server.sessions.values()].reduce((sum, { queryBytes }) => sum + queryBytes, 0);
    const stopping = stopped(h);
    c.write("R n\r\n".repeat(10));
    await stopping;
    await c.closed();
    await idle.closed();
    const lines = c.received.latin1Slice().split("\r\n");
    const answered = lines.length - 1;
    assert.is(lines[answered - 1], `:${answered}`);
    assert.ok(answered >= queued / 8, `${answered} answered, ${queued} bytes waited`);
    assert.ok(answered <= count);
  },
);

/** A client that the log holds back in the midst of a pipeline. @returns how many commands have not run. */
async function heldByLog(h: Harness, client: RawClient): Promise<number> {
  h.storage.congested = true;
  client.write("INCR n\r\n".repeat(5000));
  const waits = (): boolean =>
    [...h.server.sessions.values()].some(({ flow, queryBytes }) => flow.has(STALLED_LOG) && queryBytes > 0);
  await until(waits, "it is held back");
  h.storage.congested = false;
  return [...h.server.sessions.values()].reduce((sum, { queryBytes }) => sum + queryBytes, 0) / 8;
}

both(
  "a stop: a client that the log holds back is answered; one that is blocked is not waited for",
  { manual: true },
  async (h) => {
    const [held, blocked] = [await h.client(), await h.client()];
    const waiting = await heldByLog(h, held);
    const before = h.space.appendedLsn;
    blocked.send("SHUTDOWN");
    await until(() => h.server.blockedClients === 1, "it is blocked");
    h.server.lastCall();
    assert.ok(h.server.draining);
    await until(() => {
      h.commit();
      return !h.server.draining;
    }, "everything is answered");
    assert.is(h.space.appendedLsn, before + waiting);
    await held.closed();
    assert.ok(held.received.latin1Slice().endsWith(`\r\n:${before + waiting}\r\n`));
  },
);

both("a stop: what CLIENT PAUSE holds is not run", { manual: true }, async (h) => {
  const [held, before] = [await h.client(), await h.client()];
  await heldByLog(h, held);
  h.server.startPause(h.server.nowMs + 100_000, true);
  before.send("SET", "p", "1");
  await until(() => h.server.pausedSessions.size === 1, "it is held");
  h.server.lastCall();
  await before.closed();
  await until(() => {
    h.commit();
    return !h.server.draining;
  }, "what had run is answered");
  const { appendedLsn } = h.space;
  await held.closed();
  h.server.endPause();
  await sleep(20);
  assert.is(h.space.appendedLsn, appendedLsn);
  assert.is(before.received.length, 0);
});

both("a stop after the log failed does not wait for those that it holds back", { manual: true }, async (h) => {
  const c = await h.client();
  await heldByLog(h, c);
  h.storage.failed = true;
  h.server.logWaiters.logFailed();
  assert.match(await c.line(), /^-UNCERTAIN /);
  h.server.lastCall();
  await until(() => !h.server.draining, "nobody is waited for");
});

both("QUIT answers, closes, and drops what follows", {}, async (h) => {
  const c = await h.client();
  c.write(command("SET", "a", "1") + command("QUIT") + command("SET", "a", "2"));
  await c.expect("+OK\r\n+OK\r\n");
  await c.closed();
  assert.is(c.received.length, 0);
  const other = await h.client();
  other.send("GET", "a");
  await other.expect("$1\r\n1\r\n");
});

both("answers that come later keep their place; the others go on", {}, async (h) => {
  const c = await h.client();
  const other = await h.client();
  c.write(command("PING") + command("SAVE") + command("ECHO", "x"));
  await c.expect("+PONG\r\n");
  assert.is(await other.ask("PING"), "+PONG");
  await c.expect("+OK\r\n$1\r\nx\r\n");
  c.write(command("SET", "a", "1") + command("WAITAOF", "1", "0", "0") + command("PING"));
  await c.expect("+OK\r\n*2\r\n:1\r\n:0\r\n+PONG\r\n");
  c.write(command("SHUTDOWN", "NOSAVE") + command("PING"));
  await c.expect("-ERR Errors trying to SHUTDOWN. Check logs.\r\n+PONG\r\n");
  assert.equal(h.shutdowns, [{ save: "nosave", now: false, force: false }]);
  assert.is(h.server.blockedClients, 0);
});

both("a client that goes away while it waits", {}, async (h) => {
  const c = await h.client();
  c.send("SAVE");
  await until(() => h.storage.snapshots === 1, "the snapshot begins");
  c.destroy();
  await until(() => h.server.blockedClients === 0 && h.server.sessions.size === 0, "it is gone");
  const other = await h.client();
  assert.is(await other.ask("PING"), "+PONG");
});

both("only a slip has a hint behind Redis's text: a command of Redis that is not here is no slip", {}, async (h) => {
  const c = await h.client();
  const text = (name: string): string => `-ERR unknown command '${name}', with args beginning with: 'k' 'v' `;
  for (const name of ["HSET", "sadd", "LPUSH", "hste"]) assert.is(await c.ask(name, "k", "v"), text(name));
  assert.is(await c.ask("gett", "k", "v"), `${text("gett")}(did you mean 'get'?)`);
});

test.run();
