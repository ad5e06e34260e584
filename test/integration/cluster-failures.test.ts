/**
 * test/integration/cluster-failures.test.ts: a node is killed, stopped, or cut off from the network while ioredis writes through the others: the keys that it
 * was to write go on by themselves, the others do not notice, nobody connects again by hand, and nothing acknowledged is lost.
 * `npm run campaign:failures` measures for how long; here it is only compared with what the same machine does to keys that are not affected.
 */
// timeout: 120s
import { test } from "uvu";
import * as assert from "uvu/assert";
import { ClusterKeys } from "../lib/cluster-keys.js";
import { type ClientKind, lost, measure, type Track } from "../lib/failover.js";
import { KvorumCluster } from "../lib/kvorum-cluster.js";
import { CutNetwork } from "../lib/network-cut.js";

const WRITERS = 2;
/** As long as a command that waits for a silent node may take to end, and some that come after it. */
const SILENT_MS = 2500;
const DEAD_MS = 1200;
/** A machine that keeps unaffected writes waiting for so long tells nothing. */
const STALLED_MS = 1500;

const network = CutNetwork.make(3);
const SECRET = ["--cluster-secret", "only for this test", "--protected-mode", "no"];
const cluster =
  typeof network === "string" ? await KvorumCluster.start(3) : await KvorumCluster.startAt(network.places, ...SECRET);
const keys = await ClusterKeys.of(cluster);

async function stateOf(seen: string, by: string): Promise<string> {
  const line = [...(await cluster.info(by)).values()].find((value) => value.startsWith(`id=${seen},`)) ?? "";
  return /,state=(\w+),/.exec(line)?.[1] ?? "";
}

/** The others know that n2 is silent. A busy node takes longer to hold another one for suspect: it may be its own fault. */
async function noticed(): Promise<void> {
  for (const by of ["n1", "n3"]) await cluster.until(async () => (await stateOf("n2", by)) !== "up", `${by} notices`);
}

/** Not before: a connection that a cut one goes on as is tried again ever more seldom, and answers in one direction first. */
async function down(): Promise<void> {
  for (const by of ["n1", "n3"])
    await cluster.until(async () => (await stateOf("n2", by)) === "down", `${by} gives up`);
}

/** @param limitMs how much longer than others affected keys may be without an acknowledgement. */
async function check(
  what: string,
  clients: readonly ClientKind[],
  afterMs: number,
  limitMs: number,
  fault: () => unknown,
  end: () => unknown,
): Promise<void> {
  const plan = { cluster, keys, victim: "n2", clients, writers: WRITERS, prefix: what, afterMs, noticed };
  const tracks = await measure(plan, fault, end);
  await cluster.connected();
  const wrong = await lost(cluster, tracks);
  assert.equal(wrong, []);
  const most = (some: readonly Track[], of: (track: Track) => number): number => Math.max(...some.map(of));
  const affected = tracks.filter((track) => track.affected);
  const others = tracks.filter((track) => !track.affected);
  const usualMs = most(others, ({ gapMs }) => gapMs);
  const gapMs = most(affected, (track) => track.gapMs);
  console.log(`${what}: ${gapMs.toFixed(0)} ms without an acknowledgement, other keys ${usualMs.toFixed(0)} ms`);
  if (usualMs > STALLED_MS) return;
  assert.ok(gapMs < usualMs + limitMs, `${gapMs} ms, others ${usualMs} ms`);
  for (const { key, errors, errorCount } of others) assert.is(errorCount, 0, `${key}: ${[...errors]}`);
  for (const track of affected) {
    // Those that were under way to it, and none of those sent once it is known to be silent.
    assert.is(track.errorCount, track.count("UNCERTAIN"), `${track.key}: ${[...track.errors]}`);
    assert.is(track.lateErrorCount, 0, `${track.key}: ${[...track.errors]}`);
  }
}

test("kill -9 of a node: its keys go on at once, with plain and with cluster clients", () =>
  check(
    "killed",
    ["plain", "cluster"],
    DEAD_MS,
    2000,
    () => cluster.finish("n2"),
    () => cluster.begin("n2"),
  ));

test("a node that is stopped: its keys go on when it has been silent for a while", () =>
  check(
    "stopped",
    ["plain"],
    SILENT_MS,
    4000,
    () => cluster.pause("n2"),
    () => cluster.resume("n2"),
  ));

if (typeof network === "string") console.log(`SKIPPED: ${network}`);
else {
  test("a node whose network is cut: its keys go on when it has been silent for a while", () =>
    check(
      "cut",
      ["plain"],
      SILENT_MS,
      4000,
      () => network.cut(1),
      async () => {
        await down();
        network.mend(1);
      },
    ));
}

test.after(async () => {
  await cluster.end();
  if (typeof network !== "string") network.remove();
});

test.run();
