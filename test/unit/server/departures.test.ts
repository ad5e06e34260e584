/**
 * test/unit/server/departures.test.ts: many clients, pipelines of replies short and long, free and waiting for the log, on connections
 * that take all, some or nothing of a write: each client gets its replies, whole and in order, and a buffer that a connection kept
 * is never written to again. Turns, the log and the network are moved by a seeded random.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { configFromOptions } from "../../../src/config/load.js";
import { keySlot } from "../../../src/core/ring/slot.js";
import { Random } from "../../../src/lib/random.js";
import { viewed } from "../../../src/lib/view.js";
import { NodeSystem } from "../../../src/platform/node-system.js";
import type { Connection, ConnectionHandler } from "../../../src/ports/network.js";
import { Server } from "../../../src/server/server.js";
import { FakeScheduler } from "../../lib/fake-scheduler.js";
import { command, FakeStorage, LoggedSpace } from "./harness.js";

/** Takes of each write what the test says. */
class FakeConnection implements Connection {
  readonly remote = "127.0.0.1:1";
  readonly local = "127.0.0.1:2";
  readonly loopback = true;
  readonly fd = -1;
  unsentBytes = 0;
  paused = false;
  ended = false;
  destroyed = false;
  writes = 0;
  readonly received: Buffer[] = [];
  handler: ConnectionHandler | undefined;
  private kept: { bytes: Buffer; copy: Buffer } | undefined;
  private readonly random: Random;

  constructor(random: Random) {
    this.random = random;
  }

  write(bytes: Buffer, from: number, to: number): boolean {
    assert.is(this.unsentBytes, 0, "a second write while one is under way");
    assert.ok(to > from, "an empty write");
    assert.not(this.ended || this.destroyed, "a write after the end");
    this.writes++;
    if (this.random.below(4) > 0) {
      this.received.push(Buffer.from(bytes.subarray(from, to)));
      return false;
    }
    const taken = this.random.below(to - from);
    this.received.push(Buffer.from(bytes.subarray(from, from + taken)));
    const rest = bytes.subarray(from + taken, to);
    this.kept = { bytes: rest, copy: Buffer.from(rest) };
    this.unsentBytes = rest.length;
    return true;
  }

  /** The rest of a write is taken. */
  drain(): void {
    if (this.kept === undefined) return;
    assert.ok(this.kept.bytes.equals(this.kept.copy), "a kept buffer was written to");
    this.received.push(this.kept.copy);
    this.kept = undefined;
    this.unsentBytes = 0;
    (this.handler as ConnectionHandler).onSent();
  }

  pause(): void {
    this.paused = true;
  }
  resume(): void {
    this.paused = false;
  }
  end(): void {
    assert.is(this.unsentBytes, 0, "ended before all was sent");
    this.ended = true;
  }
  destroy(): void {
    this.destroyed = true;
  }
}

class Client {
  readonly connection: FakeConnection;
  readonly handler: ConnectionHandler;
  readonly expected: string[] = [];
  quit = false;
  private unread: Buffer = Buffer.alloc(0);
  private readonly key: string;
  private value = "none";

  constructor(server: Server, random: Random, index: number) {
    this.connection = new FakeConnection(random);
    this.handler = server.accept(this.connection);
    this.connection.handler = this.handler;
    this.key = `k${index}`;
    this.sendAll([command("SET", this.key, this.value)]);
    this.expected.push("+OK\r\n");
  }

  /** A pipeline of random commands. */
  send(random: Random): void {
    if (this.quit) return;
    const commands: string[] = [];
    const writes = random.below(3) === 0;
    for (let n = 1 + random.below(random.below(8) === 0 ? 200 : 4); n > 0; n--) {
      const kind = random.below(10);
      if (kind < 3 && writes) {
        this.value = "v".repeat(random.below(50));
        commands.push(command("SET", this.key, this.value));
        this.expected.push("+OK\r\n");
      } else if (kind < 6) {
        commands.push(command("GET", this.key));
        this.expected.push(`$${this.value.length}\r\n${this.value}\r\n`);
      } else {
        const text = String.fromCharCode(97 + random.below(26)).repeat(
          random.below(random.below(40) === 0 ? 150_000 : 300),
        );
        commands.push(command("ECHO", text));
        this.expected.push(`$${text.length}\r\n${text}\r\n`);
      }
    }
    if (random.below(60) === 0) {
      commands.push(command("QUIT"));
      this.expected.push("+OK\r\n");
      this.quit = true;
    }
    this.sendAll(commands);
  }

  private sendAll(commands: string[]): void {
    this.unread = Buffer.concat([this.unread, Buffer.from(commands.join(""))]);
    this.read();
  }

  /** What was sent arrives, unless it is not read. */
  read(): void {
    while (this.unread.length > 0 && !this.connection.paused) {
      const bytes = viewed(Buffer.from(this.unread.subarray(0, 65_536)));
      this.unread = this.unread.subarray(bytes.length);
      this.handler.onBytes(bytes, bytes.length);
      // Borrowed until it returned.
      bytes.fill(0);
    }
  }
}

function run(seed: number): { together: number; turns: number } {
  const random = new Random(seed);
  const scheduler = new FakeScheduler();
  const space = new LoggedSpace();
  const server = new Server({
    space,
    storage: new FakeStorage(space),
    scheduler,
    system: new NodeSystem(),
    config: configFromOptions({ port: 0 }, "/"),
    version: "0.0.0-test",
    nodeId: "a".repeat(40),
    keySlot,
    port: () => 0,
    log: () => {},
    shutdown: () => {},
  });
  const clients = Array.from({ length: 8 }, (_, i) => new Client(server, random, i));
  const commit = (): void => {
    space.setDurable(space.appendedLsn);
    server.logWaiters.durable();
  };
  let together = 0;
  let turns = 0;
  for (let i = 0; i < 400; i++) {
    const client = clients[random.below(clients.length)];
    const what = random.below(10);
    if (what < 6) client.send(random);
    else if (what < 7) commit();
    else if (what < 8) client.connection.drain();
    else {
      const before = clients.map(({ connection }) => connection.writes);
      scheduler.advance(0.01);
      turns++;
      if (clients.filter(({ connection }, n) => connection.writes > before[n]).length > 1) together++;
    }
    for (const one of clients) one.read();
  }
  for (let i = 0; i < 2000; i++) {
    commit();
    scheduler.advance(0.1);
    for (const one of clients) {
      one.connection.drain();
      one.read();
    }
  }
  for (const [i, { connection, expected, quit }] of clients.entries()) {
    const got = Buffer.concat(connection.received).latin1Slice();
    const wanted = expected.join("");
    let same = 0;
    while (same < wanted.length && got[same] === wanted[same]) same++;
    const what = `seed ${seed}, client ${i}: ${got.length} of ${wanted.length} bytes, the first ${same} are right`;
    assert.ok(got === wanted, what);
    assert.is(connection.ended, quit, `seed ${seed}, client ${i}: closed`);
  }
  server.stop();
  return { together, turns };
}

test("each client gets its replies, whole and in order", () => {
  let together = 0;
  for (let seed = 1; seed <= 25; seed++) together += run(seed).together;
  assert.ok(together > 60, `${together} turns at whose end several were written to: too few to mean something`);
});

test.run();
