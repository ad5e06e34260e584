/**
 * bench/lib/kvorum-trio.ts: three nodes of kvorum on loopback, each with a directory of its own and appendfsync always, all of them in sight
 * of each other when they are handed out; and what their INFO counts.
 * Invariant: ended like any server of a bench.
 */
import type { Context } from "../compare/scenario.js";
import type { LoopTarget } from "./closed-loop.js";
import { sleep } from "./process-facts.js";
import { askOnce } from "./resp-client.js";
import { freePort, type RunningServer } from "./servers.js";

const IDS = ["n1", "n2", "n3"] as const;
const SLOTS = 16384;
const TOGETHER_MS_MAX = 30_000;
const POLL_MS = 50;

export interface KvorumTrio {
  readonly nodes: readonly RunningServer[];
  readonly pids: readonly number[];
}

/** @param name what they are called in messages. */
export async function kvorumTrio(context: Context, name = "kvorum"): Promise<KvorumTrio> {
  const peerPorts: number[] = [];
  for (const _ of IDS) peerPorts.push(await freePort());
  const nodes: RunningServer[] = [];
  for (let i = 0; i < IDS.length; i++) {
    const peers = IDS.map((id, at) => `${id}=127.0.0.1:${peerPorts[at]}`).filter((_, at) => at !== i);
    const who = ["--id", IDS[i] as string, "--peer-port", String(peerPorts[i]), "--peers", peers.join(",")];
    const args = [...who, "--appendfsync", "always"];
    nodes.push(await context.start({ kind: "kvorum", label: `${name} ${IDS[i]}`, args }));
  }
  await together(nodes);
  return { nodes, pids: nodes.map(({ pid }) => pid) };
}

/** Wait until every node sees all of them. */
async function together(nodes: readonly RunningServer[]): Promise<void> {
  const limit = performance.now() + TOGETHER_MS_MAX;
  for (;;) {
    const seen = await Promise.all(nodes.map((node) => figuresOf(node, "cluster")));
    const all = seen.every((figures) => figures["kvorum_cluster_members_up"] === nodes.length);
    if (all && seen.every((figures) => figures["kvorum_cluster_slots_ok"] === SLOTS)) return;
    if (performance.now() > limit) throw new Error(`the nodes do not find each other: ${JSON.stringify(seen)}`);
    await sleep(POLL_MS);
  }
}

/** The numbers in a section of INFO. */
export async function figuresOf(server: RunningServer, section: string): Promise<Record<string, number>> {
  const text = String(await askOnce(server.port, "INFO", section));
  const figures: Record<string, number> = {};
  for (const [, field, value] of text.matchAll(/^([a-z0-9_]+):(-?[0-9.]+)\r?$/gm)) {
    figures[field as string] = Number(value);
  }
  return figures;
}

/** Counters of INFO added up over the nodes. @throws when a node does not have one of them. */
export async function countersOf(
  nodes: readonly RunningServer[],
  names: readonly string[],
): Promise<Record<string, number>> {
  const sums: Record<string, number> = {};
  for (const node of nodes) {
    const figures = { ...(await figuresOf(node, "cluster")), ...(await figuresOf(node, "persistence")) };
    for (const name of names) {
      const value = figures[name];
      if (value === undefined) throw new Error(`${node.spec.label}: INFO has no ${name}`);
      sums[name] = (sums[name] ?? 0) + value;
    }
  }
  return sums;
}

/** Connections over the nodes, as evenly as can be. */
export function spread(nodes: readonly RunningServer[], connections: number): LoopTarget[] {
  return nodes.map(({ port }, i) => ({
    port,
    connections: Math.floor(connections / nodes.length) + (i < connections % nodes.length ? 1 : 0),
  }));
}

/** The same, each connection with the keys only that its node is the first for, as CLUSTER SLOTS tells. */
export async function routed(nodes: readonly RunningServer[], connections: number): Promise<LoopTarget[]> {
  type Range = readonly [from: number, to: number, first: readonly [host: string, port: number]];
  const ranges = (await askOnce((nodes[0] as RunningServer).port, "CLUSTER", "SLOTS")) as Range[];
  return spread(nodes, connections).map((target) => {
    const slots = ranges.filter(([, , [, port]]) => port === target.port).map(([from, to]) => [from, to] as const);
    if (slots.length === 0) throw new Error(`no slot has the node on port ${target.port} as its first`);
    return { ...target, slots };
  });
}
