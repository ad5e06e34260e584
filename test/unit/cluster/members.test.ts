/**
 * test/unit/cluster/members.test.ts: nodes that were told the same agree on members, placement, cluster id and quorums; quorums meet
 * whatever the number of nodes.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type MembersOptions, membersOf, quorumsOf } from "../../../src/cluster/members.js";
import { refusalOf } from "../../../src/cluster/peer-identity.js";
import { identity } from "../../lib/peers.js";

/** A member that was not met yet. */
const MET_NEVER = { record: undefined, member: true, here: undefined };
const IDS = ["n10", "n2", "Z", "a"];

/** The options of one of the nodes, its peers in some order. */
function optionsOf(id: string, changes: Partial<MembersOptions> = {}, ids: readonly string[] = IDS): MembersOptions {
  const peers = ids
    .filter((other) => other !== id)
    .map((other, i) => ({ id: other, host: `host-of-${other}`, port: 1000 + i }));
  if (id < "b") peers.reverse();
  return { id, peers, n: 3, r: 2, w: 2, partitions: 64, clusterName: "test", ...changes };
}

test("quorums meet, and are no more than there are nodes, whatever was wanted", () => {
  let lowered = 0;
  for (let n = 1; n <= 7; n++) {
    for (let r = 1; r <= n; r++) {
      for (let w = n - r + 1; w <= n; w++) {
        for (let members = 1; members <= 9; members++) {
          const got = quorumsOf(n, r, w, members);
          assert.ok(got.n === Math.min(n, members) && got.r <= got.n && got.w <= got.n && got.r >= 1 && got.w >= 1);
          assert.ok(got.r + got.w > got.n, `${n} ${r} ${w} with ${members} nodes`);
          if (members >= n) assert.equal(got, { n, r, w });
          else lowered++;
        }
      }
    }
  }
  assert.ok(lowered > 100);
  assert.equal(quorumsOf(3, 2, 2, 2), { n: 2, r: 2, w: 2 });
  assert.equal(quorumsOf(3, 1, 3, 2), { n: 2, r: 1, w: 2 });
});

test("all nodes see the same members, placement and cluster", () => {
  const seen = IDS.map((id) => membersOf(optionsOf(id)));
  const [first] = seen as [ReturnType<typeof membersOf>];
  assert.equal(first.ids, ["Z", "a", "n10", "n2"]);
  for (const [i, members] of seen.entries()) {
    const id = IDS[i] as string;
    assert.equal(members.ids, first.ids);
    assert.is(members.ids[members.selfIndex], id);
    assert.equal(members.ring.table, first.ring.table);
    assert.is(members.clusterId, first.clusterId);
    assert.equal([...members.addresses.keys()].sort(), IDS.filter((other) => other !== id).sort());
    const others = seen.map(({ settings }) => settings);
    for (const [j, settings] of others.entries()) {
      const mine = identity(id, { ...members.settings });
      const theirs = { step: "identity" as const, mac: Buffer.alloc(0), ...identity(IDS[j] as string, settings) };
      if (i !== j) assert.is(refusalOf(mine, IDS[j] as string, theirs, MET_NEVER), undefined);
    }
  }
});

test("the cluster is another one by name or members, and the same wherever they are", () => {
  const { clusterId } = membersOf(optionsOf("a"));
  assert.is.not(membersOf(optionsOf("a", { clusterName: "other" })).clusterId, clusterId);
  assert.is.not(membersOf(optionsOf("a", {}, ["a", "n2", "Z"])).clusterId, clusterId);
  const moved = IDS.slice(0, 3).map((id, i) => ({ id, host: "elsewhere", port: 2000 + i }));
  assert.is(membersOf(optionsOf("a", { peers: moved })).clusterId, clusterId);
});

test("two nodes hold everything both, and both are needed", () => {
  const { n, r, w, ring } = membersOf(optionsOf("a", {}, ["a", "Z"]));
  assert.equal({ n, r, w }, { n: 2, r: 2, w: 2 });
  for (let partition = 0; partition < 64; partition++) {
    assert.ok(ring.isReplica(partition, 0) && ring.isReplica(partition, 1));
  }
});

test.run();
