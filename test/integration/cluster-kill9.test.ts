/**
 * test/integration/cluster-kill9.test.ts: nodes of a cluster are killed under load, one at a time and all at once, some while they start: nothing acknowledged
 * is lost or undone, each INCR counts once, and the history of each contended key is one that a single register could have given.
 * ROUNDS=200 makes it a campaign, KVORUM_SEED=n repeats the choices of one.
 */
// timeout: 120s
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Random } from "../../src/lib/random.js";
import { ClusterLoad } from "../lib/cluster-load.js";
import { KvorumCluster } from "../lib/kvorum-cluster.js";

const ROUNDS = Number(process.env["ROUNDS"] ?? 2);
const SEED = Number(process.env["KVORUM_SEED"] ?? Date.now() % 1_000_000);
const CLIENTS = 9;
/** Acknowledged commands before a kill; a slow machine is given the time that it takes. */
const ROUND_ACKNOWLEDGED_MIN = 60;
const KEPT_PER_ROUND = 500;
const KILL_AFTER_MS_MAX = 250;
const DOWN_MS_MAX = 400;
/** One round in so many kills all nodes. */
const ALL_IN = 4;
const ALL_AT = 2;
const HASTY_IN = 4;

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function killSome(cluster: KvorumCluster, random: Random, all: boolean): Promise<void> {
  const ids = all ? cluster.nodes.map(({ id }) => id) : [`n${1 + random.below(cluster.nodes.length)}`];
  await Promise.all(ids.map((id) => cluster.finish(id)));
  await sleep(random.below(DOWN_MS_MAX));
  for (const id of ids) if (random.below(HASTY_IN) === 0) await cluster.stumble(id, random.below(DOWN_MS_MAX));
  await Promise.all(ids.map((id) => cluster.begin(id)));
}

test(`kill -9 of nodes under load, ${ROUNDS} times`, async () => {
  const random = new Random(SEED);
  const started = performance.now();
  const cluster = await KvorumCluster.start(3);
  const load = new ClusterLoad(cluster, random, CLIENTS);
  try {
    for (let round = 1; round <= ROUNDS; round++) {
      const before = load.acknowledged;
      load.start();
      await cluster.until(async () => load.acknowledged >= before + ROUND_ACKNOWLEDGED_MIN, "a load worth the name");
      await sleep(random.below(KILL_AFTER_MS_MAX));
      await killSome(cluster, random, round % ALL_IN === ALL_AT);
      await sleep(random.below(KILL_AFTER_MS_MAX));
      await load.stop();
      await cluster.connected();
      const wrong = await load.verify(round === ROUNDS ? Number.POSITIVE_INFINITY : KEPT_PER_ROUND);
      assert.is(wrong, undefined, `round ${round}, KVORUM_SEED=${SEED}: ${wrong}`);
      if (round % 10 === 0) console.log(`round ${round} of ${ROUNDS}: ${load.acknowledged} acknowledged`);
    }
  } finally {
    await cluster.end();
  }
  const seconds = Math.round((performance.now() - started) / 1000);
  const { acknowledged, uncertain, refused } = load;
  console.log(
    `${ROUNDS} rounds, ${acknowledged} acknowledged, ${uncertain} uncertain, ${refused} refused, ${seconds} s, seed ${SEED}`,
  );
  assert.ok(acknowledged >= ROUNDS * ROUND_ACKNOWLEDGED_MIN, `a load worth the name: ${acknowledged}`);
});

test.run();
