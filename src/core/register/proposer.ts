/**
 * core/register/proposer.ts: changes to keys: queue, rounds, retries, exactly once. (event, now) -> effects. No I/O.
 *
 * Durable: nothing. What must survive a crash of the proposer lies in the accepted states (vv, cut) and in the ceiling.
 * Volatile: for each key with something in flight its queue and one round; the keys owned (core/register/ownership.ts).
 *
 * Invariants: one round in flight a key. Each operation is settled once: "yes" when the round that carries it is chosen, "no"
 * only if no ACCEPT with a change of it was ever sent, else "maybe". A ballot is issued once and leaves under a durable ceiling. The proposer's
 * own disk is not special: any W acknowledgements do.
 *
 *   event                        what happens
 *   submit                       the operation joins the key's queue; a round begins if none is in flight or waiting
 *   promise, R of them           base = highest accepted state; the queue is applied to it in order; ACCEPT to all
 *   ack, W - 1 of them           askers that are replicas and whose ack is missing hear of it: the last one may be theirs (Nearly)
 *   ack, W of them               chosen: batch answered, CHOSEN to all, ownership, the next round begins
 *   nack, too many for a quorum  the round is over; the next one after a random time, above the bound
 *   round timer                  the same; after an ACCEPT the outcome is unclear, and the next round's base decides (Verdict)
 *   retry timer                  the next round begins
 *   abandon                      while no round is in flight: operations that changed nothing yet are refused
 *   handBack                     operations of other nodes that changed nothing yet are refused
 *   expire                       operations past their deadline are given up; a round in flight goes on for the others
 *
 * A round begins with PREPARE (2 trips), or with ACCEPT at next(ballot) when the key is owned and held (1 trip).
 */
import { type Dot, sameDot } from "../clock/dot.js";
import type { Hlc } from "../clock/hlc.js";
import { type Effect, type Surroundings, sendAll, type Timer } from "./effects.js";
import type { AckReply, NackReply, PromiseReply, RefusedReply, Reply } from "./messages.js";
import { combine, type Operation, type Outcome, Pending } from "./operation.js";
import { type Owned, Ownership } from "./ownership.js";
import { PROPOSER_RULES, type ProposerRules } from "./proposer-rules.js";
import { assertGroup } from "./quorum.js";
import { Round } from "./round.js";
import { absentState, isExpired, namedOf, type RegisterState } from "./state.js";

const QUEUE_MAX = 4096;
const OWNED_MAX = 65_536;
/** A round that is refused or late this often with an operation in it leaves the operation uncertain, whatever its deadline. */
const ATTEMPTS_MAX = 64;
const ROUND_TIMEOUT_MS = 400;
const RETRY_MS_MIN = 2;
const RETRY_FIRST_MS_MAX = 8;
const RETRY_MS_MAX = 250;
const NO_QUORUM = { applied: "no", why: "no quorum" } as const;

export interface ProposerOptions<V> {
  /** This node's index. */
  readonly node: number;
  /** Shared with everything else that issues dots here; above the recovered ceiling. */
  readonly clock: Hlc;
  readonly surroundings: Surroundings<V>;
  readonly rules?: ProposerRules;
  /** Operations that may wait for one key. */
  readonly queueMax?: number;
  readonly ownedMax?: number;
}

/** A key with something in flight. */
class Entry<V, R> {
  queue: Pending<V, R>[] = [];
  /** undefined: waiting for the retry timer. */
  round: Round<V, R> | undefined;
  /** Rounds that failed in a row. */
  failures = 0;
  /** What was owned when the round in flight began on the fast path. */
  ownedBefore: Owned | undefined;
}

export class Proposer<V, R> {
  private readonly entries = new Map<string, Entry<V, R>>();
  private readonly ownership: Ownership;
  private readonly node: number;
  private readonly clock: Hlc;
  private readonly surroundings: Surroundings<V>;
  private readonly rules: ProposerRules;
  private readonly queueMax: number;

  constructor(options: ProposerOptions<V>) {
    this.node = options.node;
    this.clock = options.clock;
    this.surroundings = options.surroundings;
    this.rules = options.rules ?? PROPOSER_RULES;
    this.queueMax = options.queueMax ?? QUEUE_MAX;
    this.ownership = new Ownership(options.ownedMax ?? OWNED_MAX);
  }

  /** Keys with something in flight. */
  get size(): number {
    return this.entries.size;
  }

  /** Queue an operation. A full queue settles it at once: surely not applied. */
  submit(key: string, operation: Operation<V, R>, now: number, out: Effect<V, R>[]): void {
    const known = this.entries.get(key);
    const entry = known ?? new Entry<V, R>();
    if (entry.queue.length >= this.queueMax) {
      out.push({ type: "settle", id: operation.id, outcome: { applied: "no", why: "too many" } });
      return;
    }
    entry.queue.push(new Pending<V, R>(operation));
    if (known !== undefined) return; // a round is in flight, or the retry timer is set
    this.entries.set(key, entry);
    this.begin(key, entry, now, out);
  }

  /** @param from the node that replied. A reply for nothing in flight is ignored. */
  receive(from: number, reply: Reply<V>, now: number, out: Effect<V, R>[]): void {
    switch (reply.type) {
      case "promise":
        this.promise(from, reply, now, out);
        break;
      case "ack":
        this.ack(from, reply, now, out);
        break;
      case "nack":
        this.clock.witness(reply.bound.hlc);
        this.refusal(from, reply, reply.phase, out);
        break;
      case "refused":
        if (reply.request === "prepare" || reply.request === "accept") this.refusal(from, reply, reply.request, out);
        break;
      default: // replies to others: reader, purger, catch-up
        break;
    }
  }

  timer(timer: Timer, now: number, out: Effect<V, R>[]): void {
    if (timer.what === "read" || timer.what === "purge") return;
    const entry = this.entries.get(timer.key);
    if (entry === undefined) return;
    if (timer.what === "retry") {
      if (entry.round === undefined) this.begin(timer.key, entry, now, out);
      return;
    }
    const { round } = entry;
    if (round !== undefined && round.phase === timer.phase && sameDot(round.ballot, timer.ballot)) {
      this.fail(timer.key, entry, round, out);
    }
  }

  /** Give up the key's operations whose deadline has passed. To be called at each deadline. */
  expire(key: string, now: number, out: Effect<V, R>[]): void {
    const entry = this.entries.get(key);
    if (entry === undefined) return;
    if (entry.round !== undefined) for (const pending of entry.round.batch) giveUp(pending, now, out);
    for (const pending of entry.queue) giveUp(pending, now, out);
    entry.queue = entry.queue.filter(({ settled }) => !settled);
    if (entry.round === undefined && entry.queue.length === 0) this.entries.delete(key);
  }

  /** Refuse the key's operations that no change was ever sent of: its quorum is out of reach. The others wait until it is known what became of them. */
  abandon(key: string, out: Effect<V, R>[]): void {
    const entry = this.entries.get(key);
    if (entry === undefined || entry.round !== undefined) return;
    for (const pending of entry.queue) if (pending.attempts.length === 0) settle(pending, NO_QUORUM, out);
    entry.queue = entry.queue.filter(({ settled }) => !settled);
    if (entry.queue.length === 0) this.entries.delete(key);
  }

  /**
   * Refuse the key's operations that other nodes asked for and no change was ever sent of: this node's log does not come any further, and they can
   * do them themselves. A round in flight goes on for the others.
   */
  handBack(key: string, out: Effect<V, R>[]): void {
    const entry = this.entries.get(key);
    if (entry === undefined) return;
    for (const pending of entry.queue) {
      if (pending.operation.asker !== undefined && pending.attempts.length === 0) settle(pending, NO_QUORUM, out);
    }
    entry.queue = entry.queue.filter(({ settled }) => !settled);
    if (entry.round === undefined && entry.queue.length === 0) this.entries.delete(key);
  }

  private begin(key: string, entry: Entry<V, R>, now: number, out: Effect<V, R>[]): void {
    const group = this.surroundings.group(key);
    assertGroup(group);
    const held = this.surroundings.held(key);
    const owned = this.ownership.get(key);
    const base = this.rules.fastBase(owned, held, group);
    // Whatever is issued now is the latest ballot on the key, and the one owned is not any more.
    this.ownership.drop(key);
    if (base !== undefined && held !== undefined) {
      entry.ownedBefore = owned;
      const round = new Round<V, R>(group, this.rules.fastBallot(base, this.clock), namedOf(held), this.rules);
      round.baseBallot = base;
      entry.round = round;
      this.propose(key, entry, round, held.state, now, out);
      return;
    }
    if (held !== undefined) this.clock.witness(this.rules.prepareAbove(held));
    this.clock.tick();
    const ballot = { epoch: group.epoch, hlc: this.clock.value(), node: this.node };
    entry.ownedBefore = undefined;
    entry.round = new Round<V, R>(group, ballot, namedOf(held), this.rules);
    const { epoch } = group;
    const under = this.rules.issueUnderCeiling(ballot);
    sendAll(out, group, { type: "prepare", key, epoch, ballot, have: held?.ballot }, under);
    out.push({ type: "timer", delayMs: ROUND_TIMEOUT_MS, timer: { what: "round", key, ballot, phase: "prepare" } });
  }

  private promise(from: number, reply: PromiseReply<V>, now: number, out: Effect<V, R>[]): void {
    const entry = this.entries.get(reply.key);
    const round = entry?.round;
    if (entry === undefined || round === undefined || round.phase !== "prepare" || !same(round, reply)) return;
    const index = round.group.nodes.indexOf(from);
    if (index < 0 || !round.promised(index, reply)) return;
    const base = round.baseState ?? absentState<V>(this.rules.cutOfAbsent(round.floor));
    this.propose(reply.key, entry, round, base, now, out);
  }

  private propose(
    key: string,
    entry: Entry<V, R>,
    round: Round<V, R>,
    base: RegisterState<V>,
    now: number,
    out: Effect<V, R>[],
  ): void {
    const { group, ballot } = round;
    const { state, batch, early, uncertain } = combine(
      base,
      ballot,
      entry.queue,
      now,
      isExpired(base, now) && this.surroundings.expires(base.expireAt),
      this.rules,
    );
    entry.queue = [];
    for (const pending of uncertain) settle(pending, { applied: "maybe" }, out);
    for (const pending of early) settle(pending, { applied: "yes", result: pending.answer as R, ballot }, out);
    if (batch.length === 0) {
      // Nobody waits any more. The promises bind nobody but the ballots below.
      this.entries.delete(key);
      return;
    }
    round.accepting(batch);
    const under = this.rules.issueUnderCeiling(ballot);
    sendAll(out, group, { type: "accept", key, epoch: group.epoch, ballot, state }, under);
    out.push({ type: "timer", delayMs: ROUND_TIMEOUT_MS, timer: { what: "round", key, ballot, phase: "accept" } });
  }

  private ack(from: number, reply: AckReply, now: number, out: Effect<V, R>[]): void {
    const { key, ballot } = reply;
    const entry = this.entries.get(key);
    const round = entry?.round;
    if (entry === undefined || round === undefined || round.phase !== "accept" || !same(round, reply)) {
      this.lateAck(from, reply);
      return;
    }
    const { group } = round;
    const index = group.nodes.indexOf(from);
    if (index < 0) return;
    if (!round.acknowledged(index)) return nearly(round, this.rules, out);
    entry.round = undefined;
    entry.failures = 0;
    for (const pending of round.batch) settle(pending, { applied: "yes", result: pending.answer as R, ballot }, out);
    sendAll(out, group, { type: "chosen", key, epoch: group.epoch, ballot }, 0);
    // A nack says that somebody else was promised more: the fast path would be refused there, so it is not worth trying.
    if (round.refusals.count === 0) this.ownership.set(key, { ballot, epoch: group.epoch, acks: round.votes });
    if (entry.queue.length > 0) this.begin(key, entry, now, out);
    else this.entries.delete(key);
  }

  /** The fast path may need more acknowledgements than the round did. */
  private lateAck(from: number, reply: AckReply): void {
    const owned = this.ownership.get(reply.key);
    if (owned === undefined || !same(owned, reply)) return;
    const group = this.surroundings.group(reply.key);
    if (group.epoch === owned.epoch) owned.acks.add(group.nodes.indexOf(from));
  }

  private refusal(
    from: number,
    reply: NackReply | RefusedReply,
    phase: "prepare" | "accept",
    out: Effect<V, R>[],
  ): void {
    const { key } = reply;
    const entry = this.entries.get(key);
    const round = entry?.round;
    if (entry !== undefined && round !== undefined && same(round, reply)) {
      if (round.phase !== phase || !round.refused(round.group.nodes.indexOf(from))) return;
      this.fail(key, entry, round, out);
      return;
    }
    // Somebody else was promised a later ballot on a key that we owned: the fast path would be refused there.
    const owned = this.ownership.get(key);
    if (owned !== undefined && same(owned, reply)) this.ownership.drop(key);
  }

  /** Refused or late. What was sent goes to the front of the queue: its fate is settled first. */
  private fail(key: string, entry: Entry<V, R>, round: Round<V, R>, out: Effect<V, R>[]): void {
    entry.round = undefined;
    const owned = entry.ownedBefore === undefined ? undefined : this.rules.ownedAfterFailure(entry.ownedBefore);
    if (owned !== undefined) this.ownership.set(key, owned);
    const again: Pending<V, R>[] = [];
    for (const pending of round.batch) {
      if (pending.settled) continue;
      if (pending.attempts.length >= ATTEMPTS_MAX) settle(pending, { applied: "maybe" }, out);
      else again.push(pending);
    }
    entry.queue = again.concat(entry.queue);
    if (entry.queue.length === 0) {
      this.entries.delete(key);
      return;
    }
    // Full jitter: two proposers that refuse each other must not meet again.
    const ceilingMs = Math.min(RETRY_MS_MAX, RETRY_FIRST_MS_MAX * 2 ** entry.failures);
    entry.failures++;
    const delayMs = RETRY_MS_MIN + this.surroundings.random() * (ceilingMs - RETRY_MS_MIN);
    out.push({ type: "timer", delayMs, timer: { what: "retry", key } });
  }
}

function same(own: { readonly ballot: Dot }, reply: { readonly ballot: Dot | undefined }): boolean {
  return reply.ballot !== undefined && sameDot(own.ballot, reply.ballot);
}

function settle<V, R>(pending: Pending<V, R>, outcome: Outcome<R>, out: Effect<V, R>[]): void {
  if (pending.settled) return;
  pending.settled = true;
  out.push({ type: "settle", id: pending.operation.id, outcome });
}

function nearly<V, R>(round: Round<V, R>, rules: ProposerRules, out: Effect<V, R>[]): void {
  if (!round.lacksOne()) return;
  const { batch, ballot } = round;
  for (const { operation, attempts, settled, answer } of batch) {
    const { id, asker } = operation;
    if (asker === undefined || settled || !round.awaits(asker)) continue;
    if (!rules.tellsAsker(attempts.at(-1) === ballot)) continue;
    out.push({ type: "nearly", id, result: answer as R, ballot });
  }
}

function giveUp<V, R>(pending: Pending<V, R>, now: number, out: Effect<V, R>[]): void {
  if (pending.operation.deadline > now) return;
  // Without an attempt it changed nothing in any round that was sent.
  const outcome: Outcome<R> = pending.attempts.length > 0 ? { applied: "maybe" } : NO_QUORUM;
  settle(pending, outcome, out);
}
