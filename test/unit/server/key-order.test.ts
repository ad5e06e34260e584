/**
 * test/unit/server/key-order.test.ts: commands that one client sends in a row on one key take effect in that order, over three real coordinators,
 * though the way to the key's proposer changes while they are under way.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { nameOf } from "../../../src/cluster/work.js";
import { Args } from "../../../src/codec/resp/args.js";
import type { CommandSpec } from "../../../src/commands/spec.js";
import { lookup } from "../../../src/commands/table.js";
import { KeyLines } from "../../../src/server/key-lines.js";
import { decodeWork } from "../../../src/server/work-decoder.js";
import { CommandWork, encodeCommandWork, Stage } from "../../../src/server/works.js";
import { ClusterWorld, said } from "../../lib/cluster-world.js";
import { HOST } from "../../lib/command-driver.js";
import { ModelKeyspace } from "../../lib/model-keyspace.js";

const stage = new Stage(new ModelKeyspace(), HOST, () => Number.POSITIVE_INFINITY);

function commandWork(text: string): CommandWork {
  const args = Args.of(text.split(" "));
  const spec = lookup(args) as CommandSpec;
  const name = nameOf(0, args.bytes, args.start[1], args.length[1]);
  return new CommandWork(stage, spec, name, encodeCommandWork(spec, args, 0, 2));
}

interface Client {
  readonly world: ClusterWorld;
  /** Of node 2 and then of this client's node, which is node 0. */
  readonly key: string;
  /** Send commands in a row. @returns what they are answered, once they are. */
  ask(...texts: readonly string[]): { said(): string[] };
}

async function client(): Promise<Client> {
  const performer = {
    decode: (name: string, bytes: Buffer) => decodeWork(stage, name, bytes),
    answer: () => undefined,
  };
  const world = await ClusterWorld.start({ performer });
  const { coordinator } = world.nodes[0].alive;
  const lines = new KeyLines(coordinator, () => world.scheduler.monotonicMs());
  const replicas = (key: string): readonly number[] => coordinator.replicas(coordinator.partitionOf(`\0${key}`));
  const key = Array.from({ length: 1000 }, (_, i) => `k${i}`).find((one) => replicas(one).join() === "2,0,1") as string;
  const ask = (...texts: readonly string[]): { said(): string[] } => {
    const asked = texts.map((text) => {
      const one: Parameters<typeof said>[0] = { answer: undefined };
      lines.perform(commandWork(text.replace("KEY", key)), (answer) => {
        one.answer = answer;
      });
      return one;
    });
    return { said: () => asked.map((one) => said(one).trim()) };
  };
  return { world, key, ask };
}

test("a write that its own node began, while its proposer could not be reached, and one that is forwarded to that one", async () => {
  const { world, ask } = await client();
  for (const other of ["n2", "n3"]) {
    world.network.swallow("n1", other);
    world.network.swallow(other, "n1");
  }
  world.scheduler.advance(1500); // the proposer is suspect
  const first = ask("SET KEY 1");
  world.scheduler.advance(10);
  world.network.heal();
  while (world.nodes[0].alive.coordinator.members()[2].state !== "up") world.scheduler.advance(1);
  const second = ask("SET KEY 2", "GET KEY");
  world.scheduler.advance(1900);
  assert.equal(first.said(), ["+OK"]);
  assert.equal(second.said(), ["+OK", "$1\r\n2"]);
  const last = ask("GET KEY");
  world.scheduler.advance(100);
  assert.equal(last.said(), ["$1\r\n2"]);
});

test("a write that its proposer refused, and one that is forwarded while the first is tried elsewhere", async () => {
  for (let ms = 0; ms < 4; ms++) {
    const { world, ask } = await client();
    world.nodes[2].storage.hasRoom = false;
    const first = ask("SET KEY 1");
    const { coordinator } = world.nodes[2].alive;
    while (coordinator.figures()["works_forwarded_here"] === 0) world.scheduler.advance(0.1);
    world.nodes[2].storage.hasRoom = true;
    world.scheduler.advance(ms / 4);
    const second = ask("INCR KEY", "GET KEY");
    world.scheduler.advance(500);
    assert.equal(first.said(), ["+OK"]);
    assert.equal(second.said(), [":2", "$1\r\n2"]);
  }
});

test("a write whose answer never comes: what was to come behind it is refused, and is not done later", async () => {
  const { world, ask } = await client();
  world.network.swallow("n3", "n1");
  const asked = ask("SET KEY 1", "SET KEY 2", "GET KEY");
  world.scheduler.advance(2100);
  assert.equal(asked.said(), ["maybe", "no quorum", "no quorum"]);
  const after = ask("INCR KEY", "GET KEY");
  world.scheduler.advance(500);
  assert.equal(after.said(), [":2", "$1\r\n2"]);
  world.network.heal();
  world.scheduler.advance(5000);
  const last = ask("GET KEY");
  world.scheduler.advance(100);
  assert.equal(last.said(), ["$1\r\n2"]);
});

test("a large write, which others overtake on the link, and one behind it", async () => {
  const { world, ask } = await client();
  const large = "x".repeat(1024 * 1024 - 8);
  const asked = ask(`SET KEY ${large}`, "SET KEY 2", "GET KEY");
  world.scheduler.advance(1500);
  assert.equal(asked.said(), ["+OK", "+OK", "$1\r\n2"]);
  const last = ask("GET KEY");
  world.scheduler.advance(100);
  assert.equal(last.said(), ["$1\r\n2"]);
});

test("a row of commands on one key, wherever they are done, costs two rounds", async () => {
  const { world, ask } = await client();
  const accepts = (): number =>
    world.nodes.reduce((sum, node) => sum + (node.alive.coordinator.figures()["sent_accept"] as number), 0);
  const before = accepts();
  const asked = ask("SET KEY 1", "GET KEY", "INCR KEY", "SET KEY 9 NX", "DEL KEY", "GET KEY", "INCR KEY");
  world.scheduler.advance(100);
  assert.equal(asked.said(), ["+OK", "$1\r\n1", ":2", "$-1", ":1", "$-1", ":1"]);
  assert.is(accepts() - before, 4);
});

test.run();
