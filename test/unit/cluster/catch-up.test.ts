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

test.run();
