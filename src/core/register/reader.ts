/**
 * core/register/reader.ts: linearizable reads in one trip and without a sync, where the replicas agree. (event, now) -> effects. No I/O.
 *
 * Durable: nothing. Volatile: the reads in flight; each has its own number, and the process its boot, since a reply to an earlier read
 * tells of an earlier time.
 *
 * Invariants: b* is the highest ballot reported by R replicas (absent under a floor at or above b* is no report), so nothing that was
 * acknowledged before the read began lies above it. It is answered only when it is known to be chosen: W distinct replicas hold it,
 * or one says that this very ballot is chosen. So the next reader finds it too.
 *
 *   stage    asked           leaves it when
 *   asked    R, the likely   R agree: answered. They differ, or the timer: the others are asked too
 *   wide     all             known chosen: answered. All replied, or the timer: relay; without R votes an identity round
 *   relay    ACCEPT(b*) to   W hold it: answered. Refused, or the timer: an identity round
 *            those without it
 *
 * A relay sends the state under its own ballot, unchanged: whoever proposed it. An identity round is the same operation, submitted to
 * the proposer: the register decides. That is also the way of an operation that wants to change something on the state it was shown,
 * and of a state past its deadline: it is answered as deleted once it is deleted, for everyone.
 * Replicas seen to lag behind a chosen state are taught it, after the answer.
 */
import { Numbered } from "../../lib/numbered.js";
import { compareDots, type Dot, sameDot } from "../clock/dot.js";
import type { Hlc } from "../clock/hlc.js";
import type { Effect, Surroundings } from "./effects.js";
import type { AckReply, NackReply, RefusedReply, Reply, StateReply } from "./messages.js";
import type { Operation } from "./operation.js";
import type { Proposer } from "./proposer.js";
import { PROPOSER_RULES, type ProposerRules } from "./proposer-rules.js";
import { assertGroup, type ReplicaGroup, Votes } from "./quorum.js";
import { absentState, isExpired, type Named, namedOf, type RegisterState, resolveState } from "./state.js";

const ASKED_TIMEOUT_MS = 20;
const WIDE_TIMEOUT_MS = 10;
const RELAY_TIMEOUT_MS = 200;
const READS_MAX = 65_536;

export interface ReaderOptions<V, R> {
  /** This life of the process, counted durably. */
  readonly boot: number;
  readonly clock: Hlc;
  readonly surroundings: Surroundings<V>;
  /** Takes what a read cannot answer. */
  readonly proposer: Proposer<V, R>;
  readonly rules?: ProposerRules;
  /** Reads in flight. */
  readonly readsMax?: number;
}

class Read<V, R> {
  readonly key: string;
  readonly operation: Operation<V, R>;
  readonly group: ReplicaGroup;
  readonly have: Named<V> | undefined;
  stage: "asked" | "wide" | "relay" = "asked";
  /** Places in the group that were asked, as bits. */
  asked = 0;
  /** How often the timer of the first stage was put off. */
  putOff = 0;
  /** By place in the group; undefined: no reply yet. */
  readonly replies: (StateReply<V> | undefined)[] = [];
  /** In the relay: who acknowledged b*, and who refused it. */
  holders: Votes;
  refusals: Votes;
  highest: Dot | undefined;
  state: RegisterState<V> | undefined;

  constructor(
    key: string,
    operation: Operation<V, R>,
    group: ReplicaGroup,
    have: Named<V> | undefined,
    rules: ProposerRules,
  ) {
    this.key = key;
    this.operation = operation;
    this.group = group;
    this.have = have;
    this.holders = new Votes(rules);
    this.refusals = new Votes(rules);
  }

  /** All that were asked. */
  get allReplied(): boolean {
    return this.replies.every((reply, index) => reply !== undefined || (this.asked & (1 << index)) === 0);
  }
}

export class Reader<V, R> {
  private readonly reads = new Numbered<Read<V, R>>();
  /** Those of them that wait for acknowledgements of a relay: few. */
  private readonly relays = new Map<number, Read<V, R>>();
  private readonly boot: number;
  private readonly clock: Hlc;
  private readonly surroundings: Surroundings<V>;
  private readonly proposer: Proposer<V, R>;
  private readonly rules: ProposerRules;
  private readonly readsMax: number;

  constructor(options: ReaderOptions<V, R>) {
    this.boot = options.boot;
    this.clock = options.clock;
    this.surroundings = options.surroundings;
    this.proposer = options.proposer;
    this.rules = options.rules ?? PROPOSER_RULES;
    this.readsMax = options.readsMax ?? READS_MAX;
  }

  /** Reads in flight. */
  get size(): number {
    return this.reads.size;
  }

  /** Is a reply to this read waited for? One that is not may be dropped unread. */
  awaits(boot: number, id: number): boolean {
    return this.rules.isReplyOfThisLife(boot, this.boot) && this.reads.has(id);
  }

  /** @returns the key of a read in flight. */
  keyOf(id: number): string | undefined {
    return this.reads.get(id)?.key;
  }

  /** Its timer is to come later. @returns how often that was so while there were replicas left to ask; 0: there are none. */
  putOff(id: number): number {
    const read = this.reads.get(id);
    return read?.stage === "asked" ? ++read.putOff : 0;
  }

  /**
   * Answer an operation from the replicas' states, if it changes nothing there; else it is submitted to the proposer. Its outcome
   * comes as an effect of one of them. With too many reads in flight it is settled at once.
   * @returns the read's number, for expire(); once the proposer has the operation, it is the proposer that gives it up. 0: settled.
   */
  read(key: string, operation: Operation<V, R>, out: Effect<V, R>[]): number {
    if (this.reads.size >= this.readsMax) {
      out.push({ type: "settle", id: operation.id, outcome: { applied: "no", why: "too many" } });
      return 0;
    }
    const group = this.surroundings.group(key);
    assertGroup(group);
    const id = this.reads.next();
    const read = new Read<V, R>(key, operation, group, namedOf(this.surroundings.held(key)), this.rules);
    this.reads.set(id, read);
    for (let index = 0; index < group.nodes.length; index++) read.replies.push(undefined);
    this.ask(id, read, this.quickest(group, this.rules.promiseQuorum(group)), ASKED_TIMEOUT_MS, out);
    return id;
  }

  /** @param from the node that replied. A reply for nothing in flight is ignored. */
  receive(from: number, reply: Reply<V>, now: number, out: Effect<V, R>[]): void {
    if (reply.type === "state") this.stateOf(from, reply, now, out);
    else if (reply.type === "ack") this.relayed(from, reply, now, out);
    else if (reply.type === "nack" || reply.type === "refused") this.refused(from, reply, now, out);
  }

  /** The timer of a read's stage. */
  timer(id: number, now: number, out: Effect<V, R>[]): void {
    const read = this.reads.get(id);
    if (read === undefined) return;
    if (read.stage === "asked") this.widen(id, read, out);
    else if (read.stage === "wide") this.relay(id, read, now, out);
    else this.identity(id, read, now, out);
  }

  /** Give up a read whose deadline has passed; it changed nothing. To be called at the deadline. */
  expire(id: number, out: Effect<V, R>[]): void {
    const read = this.reads.get(id);
    if (read === undefined) return;
    this.forget(id);
    out.push({ type: "settle", id: read.operation.id, outcome: { applied: "no", why: "no quorum" } });
  }

  /** Places of `count` replicas, as bits: in the group's order, those that are likely to answer before the others. */
  private quickest({ nodes }: ReplicaGroup, count: number): number {
    let places = 0;
    let left = count;
    for (const likely of [true, false]) {
      for (let index = 0; index < nodes.length && left > 0; index++) {
        if ((places & (1 << index)) !== 0 || this.surroundings.answers(nodes[index]) !== likely) continue;
        places |= 1 << index;
        left--;
      }
    }
    return places;
  }

  private ask(id: number, read: Read<V, R>, places: number, delayMs: number, out: Effect<V, R>[]): void {
    const { key, group, have } = read;
    const message = { type: "read", key, epoch: group.epoch, boot: this.boot, id, have: have?.ballot } as const;
    read.asked |= places;
    for (let index = 0; index < group.nodes.length; index++) {
      if ((places & (1 << index)) !== 0) out.push({ type: "send", to: group.nodes[index], message, underCeiling: 0 });
    }
    out.push({ type: "timer", delayMs, timer: { what: "read", id } });
  }

  private widen(id: number, read: Read<V, R>, out: Effect<V, R>[]): void {
    read.stage = "wide";
    const all = 2 ** read.group.nodes.length - 1;
    this.ask(id, read, all & ~read.asked, WIDE_TIMEOUT_MS, out);
  }

  private stateOf(from: number, reply: StateReply<V>, now: number, out: Effect<V, R>[]): void {
    const read = this.rules.isReplyOfThisLife(reply.boot, this.boot) ? this.reads.get(reply.id) : undefined;
    if (read === undefined || read.key !== reply.key) return;
    const index = read.group.nodes.indexOf(from);
    // A second reply of a replica is the same request doubled: the first one counts.
    if (index < 0 || read.replies[index] !== undefined) return;
    read.replies[index] = reply;
    if (read.stage === "relay") {
      if (reply.ballot === undefined || read.highest === undefined || !sameDot(reply.ballot, read.highest)) return;
      read.holders.add(index);
      if (reply.chosen || read.holders.count >= read.group.w) this.answer(reply.id, read, now, out);
      return;
    }
    const { ballot } = reply;
    if (ballot !== undefined && (read.highest === undefined || compareDots(ballot, read.highest) > 0)) {
      const state = resolveState(reply.state, ballot, read.have);
      if (state === undefined) return; // no reply to what was asked
      read.highest = ballot;
      read.state = state;
      this.clock.witness(ballot.hlc);
    }
    this.decide(reply.id, read, now, out);
  }

  private decide(id: number, read: Read<V, R>, now: number, out: Effect<V, R>[]): void {
    const { group } = read;
    const quorum = this.rules.promiseQuorum(group);
    if (this.votes(read) >= quorum && this.rules.answersRead(this.knownChosen(read), this.reports(read), group)) {
      this.answer(id, read, now, out);
      return;
    }
    if (!read.replies.includes(undefined)) this.relay(id, read, now, out);
    // All that were asked have replied, and it does not do: no need to wait for the timer.
    else if (read.stage === "asked" && read.allReplied) this.widen(id, read, out);
  }

  /** Replies that say something about b*. */
  private votes(read: Read<V, R>): number {
    let count = 0;
    for (const reply of read.replies) {
      if (reply !== undefined && this.rules.isReadVote(reply.ballot, reply.floor, read.highest)) count++;
    }
    return count;
  }

  /** Replicas that hold b*. */
  private reports(read: Read<V, R>): number {
    let count = 0;
    for (const reply of read.replies) {
      if (reply?.ballot !== undefined && read.highest !== undefined && sameDot(reply.ballot, read.highest)) count++;
    }
    return count;
  }

  private knownChosen(read: Read<V, R>): boolean {
    // All absent: a chosen state would be at one of R, unless it was deleted for good.
    if (read.highest === undefined) return true;
    for (const reply of read.replies) {
      if (reply?.ballot !== undefined && reply.chosen && this.rules.marksHighest(reply.ballot, read.highest))
        return true;
    }
    return false;
  }

  /** Nobody knows whether b* is chosen: have it chosen, under its own ballot. */
  private relay(id: number, read: Read<V, R>, now: number, out: Effect<V, R>[]): void {
    const { key, group, highest: ballot, state } = read;
    if (ballot === undefined || state === undefined || this.votes(read) < this.rules.promiseQuorum(group)) {
      this.identity(id, read, now, out);
      return;
    }
    read.stage = "relay";
    this.relays.set(id, read);
    const message = { type: "accept", key, epoch: group.epoch, ballot, state } as const;
    for (let index = 0; index < group.nodes.length; index++) {
      const held = read.replies[index]?.ballot;
      if (held !== undefined && sameDot(held, ballot)) read.holders.add(index);
      else out.push({ type: "send", to: group.nodes[index], message, underCeiling: 0 });
    }
    out.push({ type: "timer", delayMs: RELAY_TIMEOUT_MS, timer: { what: "read", id } });
  }

  /** A proposer's own round may send the same ballot: an acknowledgement is a fact, whoever asked. */
  private relayed(from: number, reply: AckReply, now: number, out: Effect<V, R>[]): void {
    for (const [id, read] of this.relays) {
      if (!isRelayOf(read, reply.key, reply.ballot)) continue;
      read.holders.add(read.group.nodes.indexOf(from));
      if (read.holders.count >= read.group.w) this.answer(id, read, now, out);
    }
  }

  private refused(from: number, reply: NackReply | RefusedReply, now: number, out: Effect<V, R>[]): void {
    if (reply.type === "nack" ? reply.phase !== "accept" : reply.request !== "accept") return;
    for (const [id, read] of this.relays) {
      if (reply.ballot === undefined || !isRelayOf(read, reply.key, reply.ballot)) continue;
      const index = read.group.nodes.indexOf(from);
      if (read.holders.has(index)) continue;
      read.refusals.add(index);
      if (read.refusals.count > read.group.nodes.length - read.group.w) this.identity(id, read, now, out);
    }
  }

  private answer(id: number, read: Read<V, R>, now: number, out: Effect<V, R>[]): void {
    const { key, group, operation, highest: ballot } = read;
    const state = read.state ?? absentState<V>(0);
    // In this order: it is asked for what is hardly ever so.
    const expired = isExpired(state, now) && this.surroundings.expires(state.expireAt);
    const change = expired ? undefined : operation.apply(state, now);
    if (change === undefined || change.next !== undefined) {
      this.identity(id, read, now, out);
      return;
    }
    this.forget(id);
    out.push({ type: "settle", id: operation.id, outcome: { applied: "yes", result: change.result, ballot } });
    if (ballot === undefined) return;
    const message = { type: "learn", key, epoch: group.epoch, ballot, state } as const;
    for (let index = 0; index < group.nodes.length; index++) {
      const reply = read.replies[index];
      if (reply === undefined || (read.stage === "relay" && read.holders.has(index))) continue;
      if (reply.ballot !== undefined && compareDots(reply.ballot, ballot) >= 0) continue;
      out.push({ type: "send", to: group.nodes[index], message, underCeiling: 0 });
    }
  }

  private forget(id: number): void {
    this.reads.delete(id);
    this.relays.delete(id);
  }

  private identity(id: number, read: Read<V, R>, now: number, out: Effect<V, R>[]): void {
    this.forget(id);
    this.proposer.submit(read.key, read.operation, now, out);
  }
}

function isRelayOf(
  read: { readonly key: string; readonly highest: Dot | undefined },
  key: string,
  ballot: Dot,
): boolean {
  return read.key === key && read.highest !== undefined && sameDot(read.highest, ballot);
}
