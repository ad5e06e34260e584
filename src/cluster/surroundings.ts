/** cluster/surroundings.ts: what proposer and reader ask of the node they run on (core/register/effects.ts). */
import type { Surroundings } from "../core/register/effects.js";
import type { ReplicaGroup } from "../core/register/quorum.js";
import type { Held } from "../core/register/state.js";
import type { Value } from "../storage/state-record.js";
import type { CoordinatorOptions } from "./coordinator-options.js";
import type { Exchange } from "./exchange.js";
import type { Replica } from "./replica.js";
import type { Routing } from "./routing.js";

export class NodeSurroundings implements Surroundings<Value> {
  private readonly options: CoordinatorOptions;
  private readonly routing: Routing;
  private readonly replica: Replica;
  private readonly exchange: Exchange;

  constructor(options: CoordinatorOptions, routing: Routing, replica: Replica, exchange: Exchange) {
    this.options = options;
    this.routing = routing;
    this.replica = replica;
    this.exchange = exchange;
  }

  group(name: string): ReplicaGroup {
    return this.routing.group(this.routing.partitionOf(name));
  }

  held(name: string): Held<Value> | undefined {
    return this.replica.held(name);
  }

  random(): number {
    return this.options.random();
  }

  answers(node: number): boolean {
    return node === this.options.selfIndex || this.exchange.links[node]?.state === "up";
  }

  expires(expireAt: number): boolean {
    return expireAt <= this.options.clocks.expiryMs();
  }
}
