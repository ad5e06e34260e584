/**
 * test/unit/cluster/forwarding.test.ts: works that another node is to do, where that node does not answer: what is known of them is said in
 * time, nothing of them is kept, and what was surely not done is done here.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Exchange } from "../../../src/cluster/exchange.js";
import { LogWatch } from "../../../src/cluster/log-watch.js";
import { Patience } from "../../../src/cluster/patience.js";
import type { PeerLink } from "../../../src/cluster/peer-link.js";
import type { Answer } from "../../../src/cluster/work.js";
import { ClusterWorld, said, work } from "../../lib/cluster-world.js";
import { FakeScheduler } from "../../lib/fake-scheduler.js";

const MIB = 1024 * 1024;

/** Keys whose preferred proposer is the node. */
function keysOf(world: ClusterWorld, node: number, count: number): string[] {
  const { coordinator } = world.nodes[0].alive;
  const keys: string[] = [];
  for (let i = 0; keys.length < count; i++) {
    if (coordinator.replicas(coordinator.partitionOf(`\0k${i}`))[0] === node) keys.push(`k${i}`);
  }
  return keys;
}

function away(world: ClusterWorld, node: number): number {
  return world.nodes[node].alive.coordinator.figures()["works_away"] as number;
}

test("works that lapse on their way are kept no longer than their clients wait", async () => {
  const world = await ClusterWorld.start();
  const keys = keysOf(world, 1, 20);
  // Its loop stands still: what is sent to it fills the window, and then waits here.
  const ends = world.network.connections.filter(({ open, from, to }) => open && from === "n2" && to === "n1");
  for (const end of ends) end.pause();
  const asked = keys.map((key) => world.ask(0, work(key, `set ${"x".repeat(50_000)}`)));
  world.scheduler.advance(100);
  assert.is(away(world, 0), keys.length);
  world.scheduler.advance(2200);
  assert.ok(asked.every((one) => said(one) === "maybe"));
  assert.is.not(world.nodes[0].alive.peers.links.get("n2")?.state, "down", "no link broke that would have ended them");
  assert.is(away(world, 0), 0);
});

/** Stop a node in good order, a moment after works were forwarded to it. @returns what its asker heard, and when. */
async function stopped(sinceMs: number, refuse: boolean): Promise<{ heard: string[]; ms: number; left: number }> {
  const world = await ClusterWorld.start();
  const keys = keysOf(world, 1, 5);
  for (const key of keys) world.ask(1, work(key, "set 7"));
  world.scheduler.advance(100);
  const { alive } = world.nodes[1];
  if (refuse) for (const link of alive.peers.links.values()) link.claim = () => undefined;
  const asked = keys.map((key) => world.ask(0, work(key, "incr")));
  world.scheduler.advance(sinceMs);
  alive.stop();
  let ms = 0;
  while (asked.some(({ answer }) => answer === undefined) && ms++ < 3000) world.scheduler.advance(1);
  return { heard: asked.map(said), ms, left: away(world, 0) };
}

test("a clean stop: what was forwarded and not taken any more is done by who forwarded it, at once", async () => {
  for (let sinceMs = 0; sinceMs < 1.6; sinceMs += 0.2) {
    const { heard, ms, left } = await stopped(sinceMs, false);
    assert.is(left, 0);
    assert.ok(ms < 50, `${ms} ms`);
    assert.ok(
      heard.every((text) => text === "8" || (sinceMs > 0 && text === "maybe")),
      `${sinceMs}: ${heard}`,
    );
  }
});

test("a clean stop of a node whose answers found no room says nothing of what it took", async () => {
  const { heard, ms, left } = await stopped(1.5, true);
  assert.is(left, 0);
  assert.ok(ms < 50, `${ms} ms`);
  assert.equal(heard, ["maybe", "maybe", "maybe", "maybe", "maybe"]);
});

test("a node whose log hangs: what others forward to it goes back to them in time, and nothing of theirs fails for want of it", async () => {
  const world = await ClusterWorld.start();
  world.scheduler.advance(5000);
  const keys = keysOf(world, 1, 30);
  world.nodes[1].storage.sync = () => false;
  const others: { answer: Answer | undefined }[] = [];
  const own: { answer: Answer | undefined }[] = [];
  for (let round = 0; round < 60; round++) {
    // Some it has proposed before, others it has not.
    for (const node of [0, 2]) others.push(world.ask(node, work(`${keys[(round + node) % 30]}`, "set x")));
    others.push(world.ask(0, work(`{${keys[0]}}${round}`, "set x")));
    own.push(world.ask(1, work(keys[round % 30] as string, "set x")));
    world.scheduler.advance(100);
  }
  world.scheduler.advance(2500);
  assert.equal([...new Set(others.map(said))], ["OK"]);
  // Once it knows, it has the works of its own clients done by others.
  assert.equal([...new Set(own.slice(7).map(said))], ["OK"]);
  assert.is(away(world, 0), 0);
});

test("a log that hangs is found out though large values come in all the time, and what waits for it is bounded; a large one has its time", () => {
  const scheduler = new FakeScheduler();
  const patience = new Patience(scheduler, []);
  const log = { appendedLsn: 1, durableLsn: 0 };
  const excusedMs = (): number => patience.storingMs;
  const watch = new LogWatch({ scheduler, log, excusedMs, onHang: () => {} });
  scheduler.advance(1000);
  assert.ok(watch.hangs);
  log.durableLsn = 1;
  watch.durable();
  scheduler.advance(150);
  log.appendedLsn = 2;
  patience.began("\0k", 64 * MIB, -1);
  scheduler.advance(8000);
  assert.not.ok(watch.hangs, "it takes 8 s at the least rate");
  for (let i = 0; i < 4; i++) {
    patience.began("\0k", 64 * MIB, -1);
    scheduler.advance(250);
  }
  assert.ok(watch.hangs, "the next ones do not excuse what the first one had time for");
  watch.stop();

  const exchange = new Exchange(scheduler, 2);
  const claim = (): undefined => undefined;
  exchange.links[1] = { state: "up", peerBoot: 1, largeWaiting: 0, claim } as unknown as PeerLink;
  for (let i = 0; i < 8192; i++) {
    if (i % 64 === 0) exchange.patience.began("\0large", 2 * MIB, 1);
    exchange.reply(1, 1, i + 1, 0, { type: "ack", key: "\0k", ballot: { epoch: 0, hlc: 5, node: 0 } }, 100, 9);
    scheduler.advance(1);
  }
  assert.ok(exchange.waiting <= 2048, `${exchange.waiting} wait for the log`);
});

test.run();
