/**
 * test/sim/faults.ts: what goes wrong, and when. Each kind that the plan has comes at random, half of the time while clients are busy; most
 * are over after a while. A second one may come before the first is over.
 */
import type { Random } from "../../src/lib/random.js";
import type { FaultKind } from "./plan.js";
import type { Simulation } from "./simulation.js";

/** No fault waits longer than this for clients to be busy, ms. */
const BUSY_WAIT_MS = 10_000;

export class Faults {
  readonly counts: Map<FaultKind, number> = new Map();
  private readonly sim: Simulation;
  private readonly random: Random;
  private over = false;

  constructor(sim: Simulation, random: Random) {
    this.sim = sim;
    this.random = random;
  }

  start(): void {
    for (const [kind, meanMs] of Object.entries(this.sim.plan.faults) as [FaultKind, number][])
      this.later(kind, meanMs);
  }

  stop(): void {
    this.over = true;
  }

  private later(kind: FaultKind, meanMs: number): void {
    const { events } = this.sim;
    events.after(-Math.log(1 - this.random.unit()) * meanMs, () => {
      if (this.over) return;
      this.later(kind, meanMs);
      if (this.random.below(2) === 0) this.strike(kind);
      else
        this.sim.whenBusy(BUSY_WAIT_MS, () =>
          events.after(this.random.unit() * this.sim.plan.burstMs, () => this.strike(kind)),
        );
    });
  }

  private strike(kind: FaultKind): void {
    if (this.over) return;
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
    const { sim, random } = this;
    const { plan } = sim;
    const node = random.below(plan.nodes);
    const other = (node + 1 + random.below(plan.nodes - 1)) % plan.nodes;
    switch (kind) {
      case "crash":
        return sim.crash(node, false);
      case "power":
        return sim.crash(node, true);
      case "crash-in-disk":
        return sim.stores[node].crashSoon(1 + random.below(20));
      case "crash-in-recovery":
        sim.crash(node, random.below(2) === 0);
        return sim.stores[node].crashSoon(1 + random.below(8));
      case "power-all":
        return sim.powerCut();
      case "pause":
        return sim.hosts[node].pause(this.lasting(10, 400));
      case "long-pause":
        return sim.hosts[node].pause(this.lasting(1000, 60_000));
      case "jump":
        return sim.jump(node, (random.unit() - 0.5) * (random.below(3) === 0 ? 20_000 : 400));
      case "partition":
      case "one-way":
      case "bridge":
        return this.divide(kind, node, other);
      case "reset":
        return sim.net.resetBetween(node, other);
      case "cut":
        return sim.net.cutBetween(node, other, 1 + random.below(3000));
      case "slow-link":
        sim.net.slow(node, other, 2 + random.unit() * 60);
        return this.undo(20, 1000, () => sim.net.slow(node, other, 1));
      default:
        return this.disk(kind, node);
    }
  }

  private disk(kind: FaultKind, node: number): void {
    const { sim, random } = this;
    const store = sim.stores[node];
    switch (kind) {
      case "slow-disk":
        store.slowness = 2 + random.unit() * 30;
        return this.undo(20, 1000, () => {
          store.slowness = 1;
        });
      case "stuck-disk":
        return store.stick(this.lasting(50, 3000));
      case "sync-error":
        return store.failSoon("sync");
      case "write-error":
        return store.failSoon("write");
      default:
        store.fill(random.below(600_000));
        return this.undo(20, 2000, () => store.fill(Number.POSITIVE_INFINITY));
    }
  }

  private divide(kind: "partition" | "one-way" | "bridge", node: number, other: number): void {
    const { net, plan } = this.sim;
    const cut: [number, number][] = [];
    if (kind === "one-way") cut.push([node, other]);
    else {
      const side = Array.from({ length: plan.nodes }, () => this.random.below(2));
      side[node] = 0;
      side[other] = 1;
      const bridge = kind === "bridge" ? this.random.below(plan.nodes) : -1;
      for (let a = 0; a < plan.nodes; a++)
        for (let b = 0; b < plan.nodes; b++) if (side[a] !== side[b] && a !== bridge && b !== bridge) cut.push([a, b]);
    }
    for (const [a, b] of cut) net.block(a, b);
    this.undo(20, 4000, () => net.heal());
  }

  /** Ms: short ones are frequent, long ones are there. */
  private lasting(least: number, most: number): number {
    return least * (most / least) ** this.random.unit();
  }

  private undo(least: number, most: number, run: () => void): void {
    this.sim.events.after(this.lasting(least, most), run);
  }
}
