/**
 * test/unit/cluster/catch-up.test.ts: what is shipped to a peer is acknowledged when the peer has it, and comes again until then: there was no room,
 * it was refused and has to be pulled, or the peer starts anew before that.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { ClusterWorld, said, work } from "../../lib/cluster-world.js";

const KEYS: readonly string[] = Array.from({ length: 40 }, (_, i) => `k${i}`);

function figure(world: ClusterWorld, node: number, name: string): number {
  return world.nodes[node].alive.coordinator.figures()[name] as number;
}

function behind(world: ClusterWorld): number[] {
  return [0, 1, 2].flatMap((node) => [...world.nodes[node].alive.coordinator.catchUp.behind]);
}

/** How many of the keys the node holds with this value. */
function holds(world: ClusterWorld, node: number, value: string): number {
  const held = KEYS.map((key) => world.nodes[node].storage.held(`\0${key}`)?.state.value?.bytes.toString());
  return held.filter((text) => text === value).length;
}

function write(world: ClusterWorld, node: number, text: string): void {
  const asked = KEYS.map((key) => world.ask(node, work(key, text)));
  world.scheduler.advance(300);
  assert.ok(asked.every((one) => said(one) === "OK"));
}

test("a batch whose tail found no room is not acknowledged, and comes again when there is room", async () => {
  const world = await ClusterWorld.start();
  world.scheduler.advance(6000);
  world.kill(2);
  world.scheduler.advance(100);
  write(world, 0, "set new");
  const { storage } = world.nodes[2];
  const accept = storage.accept.bind(storage);
  let accepted = 0;
  storage.accept = (record, chosen) => {
    if (++accepted === 3) storage.hasRoom = false;
    return accept(record, chosen);
  };
  world.boot(2);
  world.scheduler.advance(20_000);
  assert.ok(figure(world, 2, "turned_away_for_room") > 0);
  assert.is(accepted, 3);
  assert.equal(behind(world), [2, 2], "to both: neither has seen it take all");
  storage.hasRoom = true;
  world.scheduler.advance(12_000);
  assert.is(holds(world, 2, "new"), KEYS.length);
  assert.equal(behind(world), []);
});

test("a node that lost the end of its log does not take what it logs there now for what its peers were known to have", async () => {
  const world = await ClusterWorld.start();
  write(world, 0, "set old");
  world.scheduler.advance(8000);
  world.kill(0);
  const [me] = world.nodes;
  const { durableLsn } = me.storage;
  me.positions = new Map([...me.positions].map(([id]) => [id, durableLsn + 1000]));
  world.boot(0);
  assert.equal([...me.alive.positions().values()], [durableLsn, durableLsn]);
  assert.is(me.alive.retainFromLsn, durableLsn + 1);
});

test("what a node refuses after a crash is acknowledged once it holds it, however often it starts anew before that", async () => {
  // What is learned is not durable at once.
  const world = await ClusterWorld.start({ syncMs: 30 });
  write(world, 0, "set old");
  world.scheduler.advance(8000);
  world.kill(2);
  world.scheduler.advance(100);
  write(world, 0, "set new");
  // As if it had been in the last moments before the crash: under its ceiling.
  const dots = KEYS.map((key) => world.nodes[0].storage.held(`\0${key}`)?.ballot.hlc ?? 0);
  world.nodes[2].storage.logCeiling(Math.max(...dots));
  world.nodes[2].storage.sync();
  // Not known to be chosen: its peers start anew too, and marks are volatile.
  for (const node of [0, 1]) world.kill(node);
  for (const node of [0, 1]) world.boot(node);
  world.scheduler.advance(1000);
  for (let again = 0; again < 3; again++) {
    world.boot(2);
    for (let ms = 0; ms < 4000 && figure(world, 2, "records_refused") === 0; ms++) world.scheduler.advance(0.5);
    assert.ok(figure(world, 2, "records_refused") > 0);
    world.scheduler.advance(15);
    world.kill(2);
  }
  assert.ok(holds(world, 2, "new") < KEYS.length, "it was killed before it had all");
  world.boot(2);
  world.scheduler.advance(12_000);
  assert.is(holds(world, 2, "new"), KEYS.length);
  assert.equal(behind(world), []);
});

test("what a node holds in memory only, before a disk that stands still, is shipped after its end", async () => {
  const world = await ClusterWorld.start();
  const { coordinator } = world.nodes[0].alive;
  // Its keys are proposed by the first node: nobody else ships them.
  const keys = KEYS.filter((name) => coordinator.replicas(coordinator.partitionOf(`\0${name}`))[0] === 0);
  assert.ok(keys.length > 4);
  world.scheduler.advance(8000);
  assert.equal(behind(world), []);
  world.nodes[2].storage.sync = () => false;
  const asked = keys.map((key) => {
    const one = world.ask(0, work(key, "set new"));
    world.scheduler.advance(10_000 / keys.length);
    return one;
  });
  assert.ok(asked.every((one) => said(one) === "OK"));
  world.kill(2);
  world.scheduler.advance(100);
  world.boot(2);
  world.scheduler.advance(8000);
  const held = keys.map((key) => world.nodes[2].storage.held(`\0${key}`)?.state.value?.bytes.toString());
  assert.equal([...new Set(held)], ["new"]);
  assert.equal(behind(world), []);
});

test("what only one node accepted and no quorum knows is settled by a round, and nobody waits for it for ever", async () => {
  const world = await ClusterWorld.start();
  world.scheduler.advance(6000);
  // Its other replica is asked first by the node that is shipped to.
  const key = KEYS.find((name) => {
    const { coordinator } = world.nodes[0].alive;
    return coordinator.replicas(coordinator.partitionOf(`\0${name}`)).join() === "1,0,2";
  }) as string;
  world.kill(1);
  world.scheduler.advance(100);
  const first = world.ask(0, work(key, "set old"));
  world.scheduler.advance(100);
  assert.is(said(first), "OK");
  world.boot(1);
  world.scheduler.advance(6000);
  assert.is(world.nodes[1].storage.held(`\0${key}`)?.state.value?.bytes.toString(), "old");
  world.kill(1);
  world.scheduler.advance(100);
  // On the fast path: this node's own replica has it, and nobody else.
  world.network.swallow("n1", "n3");
  world.ask(0, work(key, "set new"));
  world.scheduler.advance(50);
  const ballot = world.nodes[0].storage.held(`\0${key}`)?.ballot;
  assert.is(world.nodes[0].storage.held(`\0${key}`)?.state.value?.bytes.toString(), "new");
  for (const node of [1, 2]) world.nodes[node].storage.logCeiling((ballot?.hlc ?? 0) + 1);
  for (const node of [0, 1, 2]) {
    world.nodes[node].storage.sync();
    world.kill(node);
  }
  world.network.heal();
  for (const node of [1, 2]) world.boot(node);
  world.scheduler.advance(1000);
  world.network.swallow("n1", "n2");
  world.boot(0);
  world.scheduler.advance(8000);
  assert.equal(world.nodes[0].alive.coordinator.catchUp.behind, [1]);
  world.network.heal();
  world.scheduler.advance(15_000);
  assert.equal(behind(world), []);
  const held = [0, 1, 2].map((node) => world.nodes[node].storage.held(`\0${key}`));
  for (const { ballot: dot, state } of held as NonNullable<(typeof held)[0]>[]) {
    assert.ok(dot.hlc > (ballot?.hlc ?? 0));
    assert.is(state.value?.bytes.toString(), held[0]?.state.value?.bytes.toString());
  }
});

test.run();
