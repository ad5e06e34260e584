/**
 * test/sim/world.test.ts: time, hosts and network of the simulator: what they promise to nodes, and what they may do to them.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { viewed } from "../../src/lib/view.js";
import type { Connection, ConnectionHandler } from "../../src/ports/network.js";
import { Events, TICKS_PER_MS } from "./events.js";
import { Host } from "./host.js";
import { SimNet } from "./network.js";

const CLOCK = { offsetMs: 0, wallRate: 1, steadyRate: 1 };
const LINKS = { delayMs: 1, spreadMs: 2, lateShare: 0, lateMs: 0, cutShare: 0.3, windowBytes: 1000 };

function world(seed = 1, hosts = 2): { events: Events; hosts: Host[]; net: SimNet } {
  const events = new Events(seed);
  const all = Array.from({ length: hosts }, (_, i) => new Host(i, events, 16, 0.001, CLOCK));
  for (const host of all) host.up = true;
  return { events, hosts: all, net: new SimNet(events, all, LINKS) };
}

function until(events: Events, ms: number): void {
  let over = false;
  events.after(ms, () => {
    over = true;
  });
  while (!over) assert.ok(events.step());
}

test("events come in the order of their times; ties and the hash are the seed's", () => {
  const play = (seed: number): { order: number[]; hash: string } => {
    const events = new Events(seed);
    const order: number[] = [];
    for (let i = 0; i < 200; i++) events.at(1 + (i % 10), undefined, () => order.push(events.now * 1000 + i));
    const cancelled = events.at(5, undefined, () => order.push(-1));
    events.cancel(cancelled);
    while (events.step());
    return { order, hash: events.hash };
  };
  const one = play(1);
  assert.is(one.order.length, 200);
  assert.ok(
    one.order.every(
      (value, i) => i === 0 || Math.floor(value / 1000) >= Math.floor((one.order[i - 1] as number) / 1000),
    ),
  );
  assert.equal(play(1), one);
  assert.is.not(play(2).order.join(), one.order.join());
});

test("a timer is never early, whatever the clocks do; what is cancelled does not come", () => {
  const events = new Events(3);
  const host = new Host(0, events, 32, 0.01, { offsetMs: -300, wallRate: 0.97, steadyRate: 1.01 });
  host.up = true;
  let fired = 0;
  for (let i = 0; i < 300; i++) {
    const from = host.monotonicMs();
    const ms = (i % 17) * 1.3;
    host.after(ms, () => {
      fired++;
      assert.ok(host.monotonicMs() - from >= ms);
    });
    host.after(ms, () => assert.unreachable("cancelled"))();
    if (i % 7 === 0) until(events, 1);
  }
  until(events, 100);
  assert.is(fired, 300);
  const before = host.nowMs();
  host.jump(-5000);
  assert.is(before - host.nowMs(), 5000);
});

test("all of one turn comes before its end, and what the end asks for in the next", () => {
  const { events, hosts } = world();
  const [host] = hosts as [Host, Host];
  const said: string[] = [];
  for (let i = 0; i < 5; i++)
    host.after(1, () => {
      said.push("event");
      host.endOfTurn(() => {
        said.push("end");
        host.endOfTurn(() => said.push(`later ${events.now}`));
      });
    });
  until(events, 10);
  assert.equal(said.slice(0, 10), [...Array(5).fill("event"), ...Array(5).fill("end")]);
  assert.is(new Set(said.slice(10)).size, 1);
});

test("a paused host does nothing, and then everything in order; a crashed one never again", () => {
  const { events, hosts } = world();
  const [host, other] = hosts as [Host, Host];
  const said: number[] = [];
  for (const ms of [5, 10, 20, 40]) host.after(ms, () => said.push(ms));
  until(events, 7);
  host.pause(100);
  until(events, 90);
  assert.equal(said, [5]);
  until(events, 20);
  assert.equal(said, [5, 10, 20, 40]);
  other.after(1, () => assert.unreachable("it is gone"));
  other.endOfTurn(() => assert.unreachable("it is gone"));
  other.end();
  until(events, 10);
});

class Ear implements ConnectionHandler {
  heard = "";
  ended = false;
  closed = 0;
  sent = 0;
  connection: Connection | undefined;
  onBytes(bytes: Buffer, length: number): void {
    this.heard += bytes.latin1Slice(0, length);
  }
  onSent(): void {
    this.sent++;
  }
  onEnd(): void {
    this.ended = true;
  }
  onClosed(): void {
    this.closed++;
  }
}

function connected(net: SimNet, hosts: Host[]): { near: Ear; far: Ear } {
  const near = new Ear();
  const far = new Ear();
  net.listen(hosts[1] as Host, (connection) => {
    far.connection = connection;
    return far;
  });
  const options = { host: "1", port: 1, timeoutMs: 1000 };
  net.dialer(hosts[0] as Host).dial(
    options,
    (connection) => {
      near.connection = connection;
      return near;
    },
    (error) => assert.unreachable(error.message),
  );
  until(net.events, 20);
  assert.ok(near.connection);
  return { near, far };
}

function say({ connection }: Ear, text: string): void {
  assert.is(connection?.unsentBytes, 0);
  connection?.write(viewed(Buffer.from(text)), 0, text.length);
}

test("bytes arrive once and in order, in pieces; both ends hear of the end", () => {
  const { events, hosts, net } = world();
  const { near, far } = connected(net, hosts);
  let all = "";
  for (let i = 0; i < 50; i++) {
    all += `message ${i};`;
    say(near, `message ${i};`);
    if (i % 3 === 0) until(events, 0.7);
  }
  until(events, 50);
  assert.is(far.heard, all);
  near.connection?.end();
  until(events, 20);
  assert.ok(far.ended);
  far.connection?.end();
  until(events, 20);
  assert.equal([near.ended, near.closed, far.closed], [true, 1, 1]);
});

test("a window that is full says when there is room again", () => {
  const { events, hosts, net } = world();
  const { near, far } = connected(net, hosts);
  far.connection?.pause();
  say(near, "x".repeat(3000));
  assert.ok((near.connection?.unsentBytes ?? 0) > 0);
  until(events, 50);
  assert.equal([far.heard.length, near.sent], [0, 0]);
  far.connection?.resume();
  until(events, 50);
  assert.equal([far.heard.length, near.sent, near.connection?.unsentBytes], [3000, 1, 0]);
});

test("what is sent over a blocked link waits, and arrives late", () => {
  const { events, hosts, net } = world();
  const { near, far } = connected(net, hosts);
  net.block(0, 1);
  say(near, "held");
  say(far, "other way");
  until(events, 1000);
  assert.equal([far.heard, near.heard], ["", "other way"]);
  net.heal();
  until(events, 20);
  assert.is(far.heard, "held");
});

test("a cut link ends inside of what was sent; a reset loses what is under way", () => {
  const { events, hosts, net } = world();
  const { near, far } = connected(net, hosts);
  net.cutBetween(1, 0, 7);
  say(near, "0123456789");
  until(events, 50);
  assert.equal([far.heard, near.closed, far.closed], ["0123456", 1, 1]);

  const again = connected(net, hosts);
  say(again.near, "lost");
  net.resetBetween(0, 1);
  until(events, 50);
  assert.equal([again.far.heard, again.near.closed, again.far.closed], ["", 1, 1]);
});

test("a process that dies closes its connections; a machine without power says nothing until it is asked again", () => {
  for (const power of [false, true]) {
    const { events, hosts, net } = world();
    const { near, far } = connected(net, hosts);
    const host = hosts[1] as Host;
    host.end();
    host.powered = !power;
    net.crashed(host, !power);
    until(events, 100);
    assert.equal([near.closed, far.closed], [power ? 0 : 1, 0]);
    if (!power) continue;
    say(near, "anybody there?");
    until(events, 100);
    assert.is(near.closed, 0);
    host.powered = true;
    say(near, "and now?");
    until(events, 100);
    assert.is(near.closed, 1);
  }
});

test("what was sent before a connection was given up may arrive afterwards, or not", () => {
  let arrived = 0;
  for (let seed = 1; seed <= 20; seed++) {
    const { events, hosts, net } = world(seed);
    const { near, far } = connected(net, hosts);
    say(near, "last words");
    near.connection?.destroy();
    until(events, 50);
    assert.equal([near.closed, far.closed], [1, 1]);
    if (far.heard !== "") arrived++;
  }
  assert.ok(arrived > 2 && arrived < 18, String(arrived));
});

test("a connection that breaks before its dialer has heard of it was none", () => {
  for (let seed = 1; seed < 20; seed++) {
    const { events, hosts, net } = world(seed);
    const far = new Ear();
    let said = "";
    net.listen(hosts[1] as Host, (connection) => {
      far.connection = connection;
      events.at(events.now + 1, undefined, () => net.resetBetween(0, 1));
      return far;
    });
    const near = new Ear();
    net.dialer(hosts[0] as Host).dial(
      { host: "1", port: 1, timeoutMs: 1000 },
      () => near,
      (error) => {
        said += error.message;
      },
    );
    until(events, 20);
    assert.is(far.closed, 1);
    assert.is(said === "" ? near.closed : said, said === "" ? 1 : "reset");
  }
});

test("dialing: refused, timed out, given up", () => {
  const { events, hosts, net } = world();
  const errors: string[] = [];
  const dial = (): (() => void) =>
    net.dialer(hosts[0] as Host).dial(
      { host: "1", port: 1, timeoutMs: 500 },
      (): ConnectionHandler => {
        throw new Error("nobody listens");
      },
      ({ message }) => errors.push(message),
    );
  dial();
  until(events, 50);
  net.block(0, 1);
  dial();
  dial()();
  until(events, 450);
  assert.equal(errors, ["refused"]);
  until(events, 300);
  assert.equal(errors, ["refused", "timed out"]);
  assert.ok(events.now > TICKS_PER_MS);
});

test.run();
