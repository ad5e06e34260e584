/**
 * test/unit/server/start-screen.test.ts: what a person is told when the server is up: which failures an acknowledged write survives, for each way of
 * syncing and each quorum, and never more than holds.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { quorumsOf } from "../../../src/cluster/members.js";
import { type ConfigInput, configFromOptions } from "../../../src/config/load.js";
import { availability, survives } from "../../../src/server/guarantees.js";
import { type StartFacts, startFields, startScreen } from "../../../src/server/start-screen.js";
import { ShownCluster } from "../../lib/shown-cluster.js";

function factsOf(config: ConfigInput, facts: Partial<StartFacts> = {}): StartFacts {
  return {
    version: "1.2.3",
    config: configFromOptions({ port: 7001, ...config }, "/"),
    addresses: ["127.0.0.1:7001"],
    directory: "/data",
    keys: 0,
    loadMs: 0,
    droppedBytes: 0,
    pid: 1,
    ...facts,
  };
}

function screen(config: ConfigInput, facts: Partial<StartFacts> = {}): string {
  return startScreen(factsOf(config, facts));
}

test("alone", () => {
  assert.match(
    screen({}),
    /survive: process crash yes, power loss yes \(synced before each reply\), loss of this disk NO \(one node\)\n/,
  );
  assert.match(
    screen({ appendfsync: "everysec" }),
    /power loss NO: UP TO A SECOND OF WRITES IS LOST \(appendfsync everysec\)/,
  );
  assert.match(screen({ appendfsync: "no" }), /power loss NO: WHAT THE SYSTEM HAD NOT WRITTEN IS LOST/);
  assert.match(screen({}, { directory: undefined }), /data +memory only\n.*process crash NO, power loss NO/);
  assert.not.match(screen({}), /cluster|quorum/);
});

test("redis-cli is led to where the node listens", () => {
  const tls = { tlsPort: 7002, tlsCertFile: "c", tlsKeyFile: "k" };
  assert.match(screen({ ...tls }), /connect with {2}redis-cli -p 7001\n/);
  assert.match(screen({ ...tls, port: undefined }), /redis-cli --tls -p 7002 --cert FILE --key FILE\n/);
  assert.match(screen({ ...tls, port: undefined, tlsAuthClients: "no" }), /redis-cli --tls -p 7002\n/);
  assert.match(screen({ port: undefined, unixsocket: "/run/k.sock" }), /redis-cli -s \/run\/k.sock\n/);
});

test("in a cluster: who is in it, what a quorum needs, how many disks may be lost", () => {
  const view = new ShownCluster({ ids: ["n1", "n2", "n3"], self: "n2" });
  const config = { id: "n2", peers: ["n1=127.0.0.1:1", "n3=127.0.0.1:3"], peerPort: 2 };
  const shown = screen(config, { cluster: { view, peerAddresses: ["127.0.0.1:17002"] } });
  assert.match(shown, / {2}cluster {5}node n2 of 3 \(n1 n2 n3\), peers at 127.0.0.1:17002\n/);
  assert.match(shown, / {2}quorum {6}n 3, r 2, w 2: keys are read and written with 1 of a key's 3 nodes down\n/);
  assert.match(
    shown,
    /power loss on all nodes yes \(synced on 2 of 3 disks before each reply\), loss of 1 of a key's 3 disks yes, of 2 NO\n/,
  );
  assert.match(
    screen({ ...config, appendfsync: "everysec" }, { cluster: { view, peerAddresses: [] } }),
    /power loss of any node NO: UP TO A SECOND OF WRITES IS LOST/,
  );
  const two = new ShownCluster({ ids: ["n1", "n2"], self: "n2" });
  assert.match(
    screen({ ...config, peers: ["n1=127.0.0.1:1"] }, { cluster: { view: two, peerAddresses: [] } }),
    /n 2, not 3: there are no more nodes, r 2, w 2: keys are read and written with 0 of a key's 2 nodes down/,
  );
  const many = new ShownCluster({ ids: Array.from({ length: 12 }, (_, i) => `n${i}`), self: "n2" });
  assert.match(screen(config, { cluster: { view: many, peerAddresses: [] } }), /node n2 of 12, peers/);
});

test("a write needs the larger of r and w", () => {
  assert.is(availability({ n: 3, r: 3, w: 1 }), "keys are read and written with 0 of a key's 3 nodes down");
  assert.match(availability({ n: 3, r: 1, w: 3 }), /written with 0 of a key's 3 nodes down, read with 2 of/);
});

test("never more disks or nodes than there are", () => {
  for (let n = 1; n <= 7; n++) {
    for (let r = 1; r <= n; r++) {
      for (let w = n - r + 1; w <= n; w++) {
        const quorum = quorumsOf(n, r, w, 5);
        const line = survives("always", false, quorum);
        const lost = Number(/loss of (\d+) of a key's/.exec(line)?.[1] ?? 0);
        assert.is(lost, quorum.w - 1, line);
        // After so many are lost every read quorum of those left still finds one that has it.
        assert.ok(quorum.n - lost >= 1 && (lost === 0 || line.includes(`of ${lost + 1} NO`)));
        const spare = [...availability(quorum).matchAll(/with (\d) of a key's/g)].map(([, count]) => Number(count));
        // A write first asks r replicas what there is.
        const written = quorum.n - Math.max(quorum.r, quorum.w);
        assert.equal(spare, quorum.r >= quorum.w ? [written] : [written, quorum.n - quorum.r]);
      }
    }
  }
});

test("for machines: the same facts as fields", () => {
  const alone = startFields(factsOf({ appendfsync: "everysec" }, { http: ["127.0.0.1:8001"] })) as Record<
    string,
    unknown
  >;
  assert.match(String(alone["survives"]), "UP TO A SECOND OF WRITES IS LOST");
  assert.equal(
    { ...alone, survives: "", unsafe: [] },
    {
      version: "1.2.3",
      addresses: ["127.0.0.1:7001"],
      http: ["http://127.0.0.1:8001"],
      directory: "/data",
      keys: 0,
      loadMs: 0,
      droppedBytes: 0,
      appendfsync: "everysec",
      survives: "",
      unsafe: [],
      cluster: null,
    },
  );
  const view = new ShownCluster({ ids: ["n1", "n2", "n3"], self: "n2" });
  const member = startFields(factsOf({}, { directory: undefined, cluster: { view, peerAddresses: ["127.0.0.1:2"] } }));
  const { directory, appendfsync, cluster } = member as Record<string, unknown>;
  assert.equal([directory, appendfsync], [null, null]);
  assert.equal(cluster, {
    id: "n2",
    members: ["n1", "n2", "n3"],
    peerAddresses: ["127.0.0.1:2"],
    n: 3,
    r: 2,
    w: 2,
    availability: availability(view),
  });
});

test.run();
