/**
 * cluster/own-replica.ts: this node's own replica, asked like the others: it is told what they are told, and its answers wait for its own disk.
 */
import type { Reply, Request } from "../core/register/messages.js";
import type { Value } from "../storage/state-record.js";
import type { Exchange } from "./exchange.js";
import { HeldBack } from "./held-back.js";
import type { Pulls } from "./pulls.js";
import type { Replica } from "./replica.js";

export class OwnReplica {
  private readonly replica: Replica;
  private readonly exchange: Exchange;
  private readonly pulls: Pulls;
  private readonly heldBack: HeldBack<Reply<Value>>;
  private ready: Reply<Value>[] = [];

  /** @param awaits is such a read waited for? */
  constructor(replica: Replica, exchange: Exchange, pulls: Pulls, awaits: (boot: number, id: number) => boolean) {
    this.heldBack = new HeldBack((reply) => reply.type === "state" && !awaits(reply.boot, reply.id));
    this.replica = replica;
    this.exchange = exchange;
    this.pulls = pulls;
  }

  /** Answers that wait for the log. */
  get waiting(): number {
    return this.heldBack.size;
  }

  /** Answers to be taken. */
  get answers(): number {
    return this.ready.length;
  }

  // HOT: once per operation on a key, and more.
  ask(message: Request<Value>): void {
    const { replica, exchange } = this;
    exchange.patience.told(message);
    const reply = replica.receive(exchange.shared(message));
    if (reply === undefined) this.pulls.told(message, replica.marked);
    else if (replica.afterLsn > 0) this.heldBack.add(replica.afterLsn, reply);
    else this.ready.push(reply);
  }

  take(): Reply<Value>[] {
    return this.ready.splice(0);
  }

  /** The log has come further. */
  durable(lsn: number): void {
    this.heldBack.release(lsn, (reply) => this.ready.push(reply));
  }
}
