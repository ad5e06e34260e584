import * as assert from "uvu/assert";
import { FakeScheduler } from "./fake-scheduler.js";
import { identity, TestPeer } from "./peers.js";
import { SimNetwork } from "./sim-network.js";

export const PORT = 7000;

export interface World {
  readonly scheduler: FakeScheduler;
  readonly network: SimNetwork;
  readonly nodes: Record<string, TestPeer>;
  readonly node: (id: string) => TestPeer;
  /** Start a node, or start it anew as another process. */
  readonly boot: (id: string, changes?: ConstructorParameters<typeof TestPeer>[3]) => TestPeer;
}

export function world(seed = 1): World {
  const scheduler = new FakeScheduler();
  const network = new SimNetwork(scheduler, seed);
  const nodes: Record<string, TestPeer> = {};
  const boot: World["boot"] = (id, changes = {}) => {
    const ports = { scheduler, dialer: network.host(id) };
    const made = new TestPeer(id, ports, seed + id.charCodeAt(0), changes);
    const before = nodes[id];
    if (before !== undefined) {
      made.self = identity(id, { boot: before.self.boot + 1, run: `run ${before.self.boot + 1} of ${id}` });
      for (const [peer, record] of before.records) made.records.set(peer, record);
    }
    nodes[id] = made;
    return made;
  };
  return { scheduler, network, nodes, boot, node: (id) => nodes[id] as TestPeer };
}

/** Begin to listen and to connect. */
export async function join(w: World, ids: readonly string[], all: readonly string[] = ["a", "b"]): Promise<void> {
  for (const id of ids) {
    await w.network
      .host(id)
      .listen({ host: id, port: PORT, backlog: 8, keepAliveSeconds: () => 0 }, (connection) =>
        w.node(id).peers.accept(connection),
      );
  }
  for (const id of ids) {
    w.node(id).peers.update(
      new Map(all.filter((other) => other !== id).map((other) => [other, { host: other, port: PORT }])),
    );
  }
}

export async function pair(seed = 1, changes: ConstructorParameters<typeof TestPeer>[3] = {}): Promise<World> {
  const w = world(seed);
  w.boot("a", changes);
  w.boot("b", changes);
  await join(w, ["a", "b"]);
  w.scheduler.advance(200);
  assert.equal([w.node("a").link("b").state, w.node("b").link("a").state], ["up", "up"]);
  return w;
}
