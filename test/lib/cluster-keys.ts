/**
 * test/lib/cluster-keys.ts: which nodes hold a key, as a cluster tells its clients, and keys that are held as a test wants it.
 */
import { keySlot } from "../../src/core/ring/slot.js";
import { viewed } from "../../src/lib/view.js";
import type { KvorumCluster } from "./kvorum-cluster.js";
import type { Reply } from "./process-client.js";

const TRIES_MAX = 100_000;

export class ClusterKeys {
  /** Ids by slot, the preferred one first. */
  private readonly slots: readonly (readonly string[])[];

  private constructor(slots: readonly (readonly string[])[]) {
    this.slots = slots;
  }

  /** @param cluster all of its nodes are up: those that are not are not told. */
  static async of(cluster: KvorumCluster): Promise<ClusterKeys> {
    const connection = await cluster.connection((cluster.running[0] as { id: string }).id);
    const ids = new Map(cluster.nodes.map(({ id, port }) => [port, id]));
    const slots: string[][] = [];
    for (const range of (await connection.ask("CLUSTER", "SLOTS")) as Reply[][]) {
      const [from, to, ...nodes] = range as [number, number, ...Reply[][]];
      const held = nodes.map((node) => ids.get(node[1] as number) ?? "?");
      for (let slot = from; slot <= to; slot++) slots[slot] = held;
    }
    connection.close();
    return new ClusterKeys(slots);
  }

  get slotCount(): number {
    return this.slots.filter((nodes) => nodes !== undefined).length;
  }

  /** In order of preference. */
  replicas(key: string): readonly string[] {
    const bytes = viewed(Buffer.from(key));
    return this.slots[keySlot(bytes, 0, bytes.length)] ?? [];
  }

  ofSlot(slot: number): readonly string[] {
    return this.slots[slot] ?? [];
  }

  /** So many different keys whose replicas are as wanted. */
  some(count: number, prefix: string, wanted: (replicas: readonly string[]) => boolean): string[] {
    const keys: string[] = [];
    for (let i = 0; keys.length < count; i++) {
      if (i > TRIES_MAX) throw new Error(`no ${count} keys ${prefix} are held like that`);
      if (wanted(this.replicas(`${prefix}:${i}`))) keys.push(`${prefix}:${i}`);
    }
    return keys;
  }
}
