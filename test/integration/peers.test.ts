/**
 * test/integration/peers.test.ts: links between nodes over real sockets on loopback: three nodes find one another, messages of all sizes go
 * both ways, a connection that breaks inside of a frame is told and made again, goodbyes lose nothing.
 */
import { connect, createServer, type Server, type Socket } from "node:net";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { createDialer } from "../../src/platform/dial.js";
import { NodeScheduler } from "../../src/platform/node-scheduler.js";
import { createNetwork } from "../../src/platform/sockets.js";
import type { Listener } from "../../src/ports/network.js";
import { TestPeer } from "../lib/peers.js";
import { within } from "../lib/within.js";

const IDS = ["a", "b", "c"] as const;

async function until(done: () => boolean, what: string): Promise<void> {
  const started = performance.now();
  while (!done()) {
    if (performance.now() - started > 60_000) throw new Error(`not seen: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

interface Stage {
  readonly nodes: readonly TestPeer[];
  readonly node: (id: string) => TestPeer;
  readonly ports: ReadonlyMap<string, number>;
}

/** Three nodes that listen. They know of one another when `run` tells them. */
async function onStage(direct: boolean, run: (stage: Stage) => Promise<void>): Promise<void> {
  const scheduler = new NodeScheduler();
  const nodes = IDS.map((id, i) => new TestPeer(id, { scheduler, dialer: createDialer(direct) }, i + 1));
  const listeners: Listener[] = [];
  const ports = new Map<string, number>();
  for (const node of nodes) {
    const options = { host: "127.0.0.1", port: 0, backlog: 16, keepAliveSeconds: () => 0 };
    const listener = await createNetwork(direct).listen(options, node.peers.accept);
    listeners.push(listener);
    ports.set(node.id, listener.port);
  }
  try {
    await run({ nodes, ports, node: (id) => nodes.find((node) => node.id === id) as TestPeer });
  } finally {
    for (const node of nodes) node.peers.stop();
    await within(60_000, Promise.all(listeners.map((listener) => listener.close())), "all connections to close");
  }
}

function meet({ nodes, ports }: Stage): void {
  for (const node of nodes) {
    const others = IDS.filter((id) => id !== node.id).map(
      (id) => [id, { host: "127.0.0.1", port: ports.get(id) as number }] as const,
    );
    node.peers.update(new Map(others));
  }
}

const allUp =
  ({ nodes }: Stage) =>
  (): boolean =>
    nodes.every((node) => [...node.peers.links.values()].every(({ state }) => state === "up"));

for (const [name, direct] of [
  ["the direct path", true],
  ["the plain path", false],
] as const) {
  test(`${name}: three nodes find one another; everything arrives, in order, also what is large`, () =>
    onStage(direct, async (stage) => {
      meet(stage);
      await until(allUp(stage), "all links up");
      for (let i = 0; i < 2000; i++) {
        for (const node of stage.nodes) {
          for (const id of IDS) if (id !== node.id) assert.ok(node.send(id, `${i}`, 60_000));
        }
        if (i % 100 === 99) await new Promise((resolve) => setImmediate(resolve));
      }
      const [a, b] = [stage.node("a"), stage.node("b")];
      assert.ok(a.send("b", "L".repeat(12_000_000), 60_000));
      assert.ok(b.send("a", "K".repeat(5_000_000), 60_000));
      await until(() => b.received.some((line) => line === "a 12000000 bytes of L"), "the large one at b");
      await until(() => a.received.some((line) => line === "b 5000000 bytes of K"), "the large one at a");
      await until(() => stage.nodes.every(({ received }) => received.length >= 4000), "all messages");
      for (const node of stage.nodes) {
        for (const id of IDS) {
          if (id === node.id) continue;
          const order = node.received
            .map((line) => new RegExp(`^${id} (\\d+)$`).exec(line)?.[1])
            .filter((number) => number !== undefined)
            .map(Number);
          assert.equal(
            order,
            Array.from({ length: 2000 }, (_, i) => i),
            `${id} to ${node.id}`,
          );
        }
        assert.is(node.events.filter((event) => event.endsWith("lost")).length, 0);
      }
      // Heartbeats need a second.
      await until(() => a.link("b").roundTripMs >= 0, "a round trip");
      assert.ok(a.link("b").roundTripMs < 2000);
    }));

  test(`${name}: a connection cut inside of a frame is told on both sides, and made again`, () =>
    onStage(direct, async (stage) => {
      const [a, b] = [stage.node("a"), stage.node("b")];
      const proxy = await cuttingProxy(stage.ports.get("b") as number);
      try {
        // Only a dials, and only through the proxy.
        b.peers.update(new Map([["a", { host: "127.0.0.1", port: 9 }]]));
        a.peers.update(new Map([["b", { host: "127.0.0.1", port: proxy.port }]]));
        await until(() => a.link("b").state === "up" && b.link("a").state === "up", "the link");
        proxy.cutAfter(1000);
        for (let i = 0; i < 100; i++) assert.ok(a.send("b", `before ${i}`, 5000));
        await until(() => a.count("b lost") === 1 && b.count("a lost") === 1, "the loss");
        assert.equal(b.received, [], "nothing of a frame that is not whole");
        await until(() => a.link("b").state === "up" && b.link("a").state === "up", "the link again");
        assert.ok(a.send("b", "after", 5000));
        await until(() => b.received.length > 0, "a message");
        assert.equal(b.received, ["a after"]);
      } finally {
        proxy.close();
      }
    }));

  test(`${name}: goodbye loses nothing`, () =>
    onStage(direct, async (stage) => {
      meet(stage);
      await until(allUp(stage), "all links up");
      const [a, b] = [stage.node("a"), stage.node("b")];
      for (let i = 0; i < 500; i++) assert.ok(a.send("b", `${i}`) && b.send("a", `${i}`));
      a.peers.stop();
      await until(() => b.link("a").state === "down" && a.received.length === 500, "the end");
      assert.is(b.received.length, 500);
      assert.equal([a.count("b lost"), b.count("a lost")], [0, 0]);
    }));
}

/** Hands bytes on to a port, and breaks the connection that is open after so many more of the caller's. */
async function cuttingProxy(
  port: number,
): Promise<{ port: number; cutAfter: (bytes: number) => void; close: () => void }> {
  let left = Number.POSITIVE_INFINITY;
  const sockets = new Set<Socket>();
  const server: Server = createServer((near) => {
    const far = connect(port, "127.0.0.1");
    const end = (): void => {
      near.destroy();
      far.destroy();
    };
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on("error", end);
      socket.on("close", end);
    }
    far.on("data", (bytes) => near.write(bytes));
    near.on("data", (bytes) => {
      far.write(bytes.subarray(0, left));
      left -= bytes.length;
      if (left > 0) return;
      left = Number.POSITIVE_INFINITY;
      // What was handed on is to arrive before the end does.
      far.end();
      near.destroy();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const close = (): void => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  return { port: address.port, cutAfter: (bytes) => (left = bytes), close };
}

test.run();
