/**
 * test/integration/embedded-cluster.test.ts: three nodes of a cluster inside this process, as a program or a test has them: open() with id and peers.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Node, type OpenOptions, open, StoreError } from "../../src/index.js";
import { freePorts } from "../lib/free-ports.js";
import { within } from "../lib/within.js";

const WAIT_MS = 60_000;
const IDS = ["a", "b", "c"];

async function openAll(more: OpenOptions): Promise<Node[]> {
  const ports = await freePorts(IDS.length);
  const peer = (i: number): string => `${IDS[i]}=127.0.0.1:${ports[i]}`;
  return Promise.all(
    IDS.map((id, i) =>
      open({
        id,
        peers: IDS.map((_, other) => peer(other)).filter((_, other) => other !== i),
        peerPort: ports[i],
        ...more,
      }),
    ),
  );
}

/** The first write, once there is a quorum. */
async function firstWrite(node: Node): Promise<boolean> {
  const client = node.client();
  const giveUp = performance.now() + WAIT_MS;
  for (;;) {
    try {
      return await client.set("greeting", "hello");
    } catch (error) {
      if (!(error instanceof StoreError) || performance.now() > giveUp) throw error;
    }
  }
}

test("three nodes in this process: what one wrote the others read, and go on when it is closed", async () => {
  const nodes = await openAll({ memory: true, quorumTimeout: 5000 });
  const [a, b, c] = nodes as [Node, Node, Node];
  try {
    await within(WAIT_MS, firstWrite(a), "a write");
    const [atB, atC] = [b.client(), c.client()];
    assert.is(await within(WAIT_MS, atB.get("greeting"), "a read"), "hello");
    assert.is(await within(WAIT_MS, atC.incr("n"), "a counter"), 1);
    assert.is(await within(WAIT_MS, atB.incr("n"), "a counter"), 2);
    await within(WAIT_MS, a.close(), "a closes");
    assert.is(await within(WAIT_MS, atC.get("n"), "a read"), "2");
    assert.is(await within(WAIT_MS, atC.incr("n"), "a counter"), 3);
    await within(WAIT_MS, b.close(), "b closes");
    const alone = await within(
      WAIT_MS,
      atC.set("n", "9").then(
        () => undefined,
        (error: unknown) => error,
      ),
      "an answer without a quorum",
    );
    assert.instance(alone, StoreError);
    assert.match((alone as StoreError).message, /NOREPLICAS|UNCERTAIN/);
  } finally {
    await within(WAIT_MS, Promise.all(nodes.map((node) => node.close())), "all close");
  }
});

test("a node that names itself among its peers is refused", async () => {
  const options = { memory: true, id: "a", peers: ["a=127.0.0.1:1"], peerPort: 2 };
  const error = await open(options).catch((reason: unknown) => reason);
  assert.match(String(error), /must name the other nodes only/);
  assert.is((error as { exitCode?: number }).exitCode, 64);
});

test.run();
