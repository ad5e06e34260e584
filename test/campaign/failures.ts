/**
 * test/campaign/failures.ts: how long a key cannot be written when something is done to a node of a cluster of three, as clients see it.
 * `npm run campaign:failures -- --help` says how.
 *
 * Each round does it to another node: kill -9, SIGSTOP, or its network cable pulled (needs root and iproute2; left out elsewhere). Clients are
 * ioredis with its own options: plain connections to the other nodes, and for kill -9 Redis Cluster clients too. (A cluster client
 * has a connection to the node that is stopped or cut off, and waits there as long as its socketTimeout says, which by default is for ever.)
 * Printed: the longest time without an acknowledgement of each key, and the slowest reply; on keys that the node was to write, and on all others.
 * Ends with 1 when something acknowledged is lost. Figures mean something on a machine that does nothing else.
 */
import { ClusterKeys } from "../lib/cluster-keys.js";
import { type ClientKind, lost, measure, quantile, type Track } from "../lib/failover.js";
import { KvorumCluster } from "../lib/kvorum-cluster.js";
import { CutNetwork } from "../lib/network-cut.js";
import { toolOptions } from "../lib/tool-options.js";

const KINDS = ["kill", "stop", "cut"] as const;
type Kind = (typeof KINDS)[number];

const WRITERS = 4;
const AFTER_MS: Readonly<Record<Kind, number>> = { kill: 2000, stop: 4500, cut: 4500 };
const SECRET = ["--cluster-secret", "only for this campaign", "--protected-mode", "no"];

const USAGE = `Usage: npm run campaign:failures -- [options]
  --rounds N             rounds of each (10)
  --only KIND,KIND       of ${KINDS.join(", ")}
`;

const { values, refuse, whole } = toolOptions(USAGE, {
  options: { rounds: { type: "string", default: "10" }, only: { type: "string", default: KINDS.join() } },
});
const rounds = whole("--rounds", values.rounds) ?? 0;
const kinds = values.only.split(",").map((name) => KINDS.find((kind) => kind === name) ?? refuse(`no kind "${name}"`));

function line(what: string, tracks: readonly Track[]): string {
  const gaps = tracks.map(({ gapMs }) => gapMs);
  const slowest = tracks.map(({ slowestMs }) => slowestMs);
  const errors = new Map<string, number>();
  for (const track of tracks)
    for (const [code, count] of track.errors) errors.set(code, (errors.get(code) ?? 0) + count);
  const shown = (ms: readonly number[]): string =>
    [0.5, 0.99, 1].map((share) => String(Math.round(quantile(ms, share))).padStart(6)).join("");
  const heard = [...errors].map(([code, count]) => `${count} ${code}`).join(", ") || "no errors";
  return `${what.padEnd(36)} ${String(tracks.length).padStart(5)} ${shown(gaps)} ${shown(slowest)}  ${heard}`;
}

async function campaign(kind: Kind, cluster: KvorumCluster, network: CutNetwork | undefined): Promise<string[]> {
  const keys = await ClusterKeys.of(cluster);
  const clients: ClientKind[] = kind === "kill" ? ["plain", "cluster"] : ["plain"];
  const tracks: Track[] = [];
  const wrong: string[] = [];
  for (let round = 0; round < rounds; round++) {
    const at = round % cluster.nodes.length;
    const victim = `n${at + 1}`;
    const plan = {
      cluster,
      keys,
      victim,
      clients,
      writers: WRITERS,
      prefix: `${kind}:${round}`,
      afterMs: AFTER_MS[kind],
    };
    const fault = {
      kill: () => cluster.finish(victim),
      stop: () => cluster.pause(victim),
      cut: () => network?.cut(at),
    };
    const end = {
      kill: () => cluster.begin(victim),
      stop: () => cluster.resume(victim),
      cut: () => network?.mend(at),
    };
    const some = await measure(plan, fault[kind], end[kind]);
    await cluster.connected();
    wrong.push(...(await lost(cluster, some)));
    tracks.push(...some);
  }
  for (const client of clients) {
    const of = tracks.filter((track) => track.client === client);
    for (const affected of [true, false]) {
      const name = `${kind}, ${client}, ${affected ? "its keys" : "other keys"}`;
      console.log(
        line(
          name,
          of.filter((track) => track.affected === affected),
        ),
      );
    }
  }
  return wrong;
}

const network = CutNetwork.make(3);
if (typeof network === "string") console.log(`SKIPPED: cut: ${network}`);
const cluster = await (typeof network === "string"
  ? KvorumCluster.start(3)
  : KvorumCluster.startAt(network.places, ...SECRET));
try {
  console.log(`${"".padEnd(36)}  keys   without an ack, ms     slowest reply, ms`);
  console.log(`${"".padEnd(36)}          p50   p99   max    p50   p99   max`);
  const wrong: string[] = [];
  for (const kind of kinds) {
    if (kind !== "cut") wrong.push(...(await campaign(kind, cluster, undefined)));
    else if (typeof network !== "string") wrong.push(...(await campaign(kind, cluster, network)));
  }
  for (const text of wrong) console.log(`LOST: ${text}`);
  console.log(`${rounds} rounds of ${kinds.join(", ")}; ${wrong.length} acknowledged writes lost`);
  process.exitCode = wrong.length === 0 ? 0 : 1;
} finally {
  await cluster.end();
  if (typeof network !== "string") network.remove();
}
