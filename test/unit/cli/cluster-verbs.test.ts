/**
 * test/unit/cli/cluster-verbs.test.ts: `kvorum cluster status|nodes` against a server that is a member of a cluster whose other members the test
 * moves; what `kvorum cluster dev` refuses to begin with. How it runs is test/integration/cluster-dev.test.ts's.
 */
import { createServer } from "node:net";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { runClientVerb } from "../../../src/cli/client-verbs.js";
import { writeCard } from "../../../src/server/node-card.js";
import { captured } from "../../lib/captured.js";
import { ShownCluster } from "../../lib/shown-cluster.js";
import { type Harness, startServer, until } from "../server/harness.js";

const PEERS = { id: "n1", peers: ["n2=127.0.0.1:17002", "n3=127.0.0.1:17003"], peerPort: 17001 };

async function staged(body: (h: Harness, cluster: ShownCluster, run: typeof verb) => Promise<void>): Promise<void> {
  const cluster = new ShownCluster({ ids: ["n1", "n2", "n3"], self: "n1" });
  cluster.answer = () => writeCard({ host: "", port: 7002, tlsPort: 0, version: "1.0" });
  const h = await startServer({ config: PEERS, cluster });
  try {
    await until(() => h.server.face.reachable(1), "a card");
    await body(h, cluster, (...words) => verb(...words, "-s", `127.0.0.1:${h.port}`));
  } finally {
    await h.close();
  }
}

async function verb(...words: string[]): Promise<{ code: number; out: string; err: string }> {
  const { code, out, err } = await captured(() => runClientVerb(["cluster", ...words]));
  return { code, out: out.toString(), err };
}

test("status: in words and in JSON; exit 1 without a quorum", () =>
  staged(async (_h, cluster, run) => {
    const well = await run("status");
    assert.equal([well.code, well.err], [0, ""]);
    assert.match(
      well.out,
      /^cluster kvorum \([0-9a-f]{16}\), as n1 sees it: ok\n {2}nodes {4}3 of 3 up\n {2}quorum {3}n 3, r 2, w 2\n/,
    );
    cluster.set("n3", "suspect");
    const json = await run("status", "--json");
    assert.is(json.code, 0);
    const said = JSON.parse(json.out);
    assert.equal([said.ok, said.membersUp, said.notUp, said.n, said.slotsOk], [true, 2, ["n3"], 3, 16384]);
    cluster.set("n2", "down");
    cluster.set("n3", "down");
    const ill = await run("status");
    assert.is(ill.code, 1);
    assert.match(ill.out, /NOT ALL KEYS HAVE A QUORUM\n {2}nodes {4}1 of 3 up; not up: n2 \(down\), n3 \(down\)\n/);
    assert.match(ill.out, /slots {4}0 with a quorum, 0 in doubt, 16384 without\n$/);
    assert.is((await run("status", "--json")).code, 1);
  }));

test("nodes: a table and JSON", () =>
  staged(async (h, cluster, run) => {
    cluster.set("n3", "down");
    const { code, out } = await run("nodes");
    assert.is(code, 0);
    const lines = out.split("\n");
    assert.match(
      lines[0] as string,
      /^node +state +clients +peer port +round trip +clock +partitions +first of +version$/,
    );
    assert.match(
      lines[1] as string,
      new RegExp(`^n1 \\* +up +127.0.0.1:${h.port} +17001 +- +- +16 +\\d+ +0.0.0-test$`),
    );
    assert.match(lines[2] as string, /^n2 +up +127.0.0.1:7002 +17002 +0.25 ms +\+1 ms +16 +\d+ +1.0$/);
    assert.match(
      lines[3] as string,
      /^n3 +down +\S+ +17003 +- +- +16 /,
      "what was measured before says nothing of now",
    );
    assert.is(lines[4], "as n1 (*) sees them");
    const json = JSON.parse((await run("nodes", "--json")).out);
    assert.equal([json.seenBy, json.nodes.length], ["n1", 3]);
    const { id, self, port, peerPort, state } = json.nodes[1];
    assert.equal([id, self, port, peerPort, state], ["n2", false, 7002, 17002, "up"]);
    const measured = json.nodes.map((node: Record<string, unknown>) => [node["roundTripMs"], node["clockOffsetMs"]]);
    assert.equal(measured, [
      [0, 0],
      [0.25, 1],
      [null, null],
    ]);
    for (const offsetMs of [-0.2, 0, 0.2]) {
      cluster.clockOffsetMs = offsetMs;
      assert.match((await run("nodes")).out, / ms +0 ms +16 /, `${offsetMs}`);
    }
    cluster.clockOffsetMs = -2;
    assert.match((await run("nodes")).out, / ms +-2 ms +16 /);
  }));

test("a node alone has no status; a server that is not there has none either", async () => {
  const h = await startServer();
  try {
    for (const one of ["status", "nodes"]) {
      const { code, err } = await verb(one, "-s", `127.0.0.1:${h.port}`);
      assert.equal([code, err], [1, "kvorum: the node is alone: it has no peers\n"]);
      const json = await verb(one, "--json", "-s", `127.0.0.1:${h.port}`);
      assert.equal([json.code, JSON.parse(json.out).ok], [1, false]);
    }
  } finally {
    await h.close();
  }
  assert.is((await verb("status", "-s", `127.0.0.1:${h.port}`)).code, 1);
});

test("dev refuses what cannot be: too few nodes, ports over the top, ports that are taken", async () => {
  for (const words of [
    ["--nodes", "1"],
    ["--nodes", "17"],
    ["--nodes", "x"],
    ["--port", "0"],
    ["--port", "55536"],
  ]) {
    const { code, err } = await verb("dev", ...words);
    assert.is(code, 2, words.join(" "));
    assert.ok(err.length > 0);
  }
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
  const { port } = taken.address() as { port: number };
  try {
    // Its peer port, or its port, as far as there is room for the other one.
    const first = port > 20_000 ? port - 10_000 : port;
    const { code, err } = await verb("dev", "--nodes", "2", "--port", String(first));
    assert.is(code, 69);
    assert.match(err, new RegExp(`^kvorum: port ${port}, which n1 needs, is in use`));
  } finally {
    taken.close();
  }
});

test("a slip is said", async () => {
  for (const words of [[], ["nosuch"], ["status", "--nosuch"]]) assert.is((await verb(...words)).code, 2);
});

test.run();
