import { test } from "uvu";
import * as assert from "uvu/assert";
import { join, pair, world } from "../../lib/linked-peers.js";
import type { SimConnection } from "../../lib/sim-network.js";

test("silence: suspect, then down; a link that comes back is up again", async () => {
  const w = await pair(6);
  w.network.swallow("b", "a");
  w.scheduler.advance(1100);
  assert.is(w.node("a").link("b").state, "up");
  w.scheduler.advance(500);
  assert.is(w.node("a").link("b").state, "suspect");
  assert.is(w.node("b").link("a").state, "up", "one way only: b still hears");
  w.scheduler.advance(2000);
  assert.is(w.node("a").link("b").state, "down");
  assert.is(w.node("a").count("b lost"), 1);
  assert.not.ok(w.node("a").send("b", "surely not sent"));
  w.network.heal();
  w.scheduler.advance(6000);
  assert.equal([w.node("a").link("b").state, w.node("b").link("a").state], ["up", "up"]);
  assert.is(w.network.openBetween("a", "b").length + w.network.openBetween("b", "a").length, 2, "both ends of one");

  const short = await pair(7);
  short.network.swallow("b", "a");
  short.scheduler.advance(1700);
  assert.is(short.node("a").link("b").state, "suspect");
});

test("a peer that is heard again stays suspect until it has answered: ours may still be on their way", async () => {
  const w = await pair(13);
  const ends = (of: string): SimConnection[] => w.network.connections.filter(({ from }) => from === of);
  const [a, b] = [w.node("a").link("b"), w.node("b").link("a")];
  for (const end of [...ends("a"), ...ends("b")]) end.pause();
  w.scheduler.advance(1700);
  assert.equal([a.state, b.state], ["suspect", "suspect"]);
  for (const end of ends("a")) end.resume();
  w.scheduler.advance(900);
  assert.equal([a.state, b.state], ["suspect", "suspect"], "a hears b, which does not hear a");
  for (const end of ends("b")) end.resume();
  w.scheduler.advance(700);
  assert.equal([a.state, b.state], ["up", "up"]);
});

test("a peer that takes in a large message is there although nothing is heard of it; when it takes no more it is not", async () => {
  const w = await pair(12);
  const link = w.node("a").link("b");
  w.network.delayMsMax = 60;
  w.network.swallow("b", "a");
  assert.ok(w.node("a").send("b", "y".repeat(9_000_000), 60_000));
  w.scheduler.advance(3500);
  assert.equal([link.state, link.largeWaiting], ["up", 1]);
  for (const connection of w.network.connections) if (connection.from === "b") connection.pause();
  w.scheduler.advance(1700);
  assert.equal([link.state, link.largeWaiting], ["suspect", 1]);
  w.scheduler.advance(1900);
  assert.is(link.state, "down");
});

test("a node whose own loop stood still accuses nobody", async () => {
  const w = await pair(8);
  // The loop of everybody stands still for 10 s: timers come late, bytes lie unread.
  const before = w.node("a").events.length;
  w.scheduler.stall(10_000);
  w.scheduler.advance(250);
  assert.is(w.node("a").events.length, before, `${w.node("a").events}`);
  w.scheduler.advance(1000);
  assert.is(w.node("a").link("b").state, "up");
  assert.ok(w.node("b").link("a").peerLagMs >= 0);
});

test("a handshake is not given up because our own loop stood still; one with a silent peer is, in the end", async () => {
  const w = world(21);
  for (const id of ["a", "b"]) w.boot(id);
  w.network.delayMsMax = 30;
  await join(w, ["a", "b"]);
  w.scheduler.advance(40);
  w.scheduler.stall(10_000);
  w.scheduler.advance(500);
  assert.is(w.node("a").link("b").state, "up");
  assert.not.ok([...w.node("a").events, ...w.node("b").events].some((event) => /in time/.test(event)));
});

test("heartbeats tell the time of a round trip, the offset of clocks, and lag", async () => {
  const w = await pair(10);
  w.network.delayMsMax = 40;
  w.scheduler.advance(3000);
  const { roundTripMs, clockOffsetMs } = w.node("a").link("b");
  assert.ok(roundTripMs >= 0 && roundTripMs <= 160, `${roundTripMs}`);
  assert.ok(Math.abs(clockOffsetMs) <= 80, `${clockOffsetMs}`);
});

test("a round trip of less than a millisecond is measured as that, however long the echo was held", async () => {
  const w = await pair(12);
  w.network.delayMsMax = 0.2;
  w.scheduler.advance(1000);
  const seen: number[] = [];
  for (let i = 0; i < 20; i++) {
    // Heartbeats of both sides drift against one another: what is held has fractions of its own.
    w.scheduler.advance(310.37);
    seen.push(w.node("a").link("b").roundTripMs);
  }
  assert.ok(
    seen.every((ms) => ms >= 0 && ms < 0.9),
    `${seen}`,
  );
  assert.ok(
    seen.some((ms) => ms > 0),
    `${seen}`,
  );
});

test.run();
