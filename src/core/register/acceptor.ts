/**
 * core/register/acceptor.ts: a replica's answers about one key: (what it holds, request) -> effects. No I/O: the caller logs, holds
 * memory, and sends the reply when the effects say that it may leave.
 *
 * Durable, in the caller's log: the accepted state (ballot, value or tombstone, deadline, vv, cut), the partition's epoch and floor,
 * the ceiling. Volatile: promises, the chosen mark, log positions. What is logged is held in memory at once, before it is durable:
 * later requests are judged by it, and their answers wait for it.
 *
 * Invariants: the accepted ballot of a key only rises, until the key is purged. The effective promise only rises within a life of the
 * process, and after a restart the ceiling is at or above everything promised before. Nothing below it is accepted.
 *
 *   request   when                             does                         answers, once durable
 *   read                                                                    what is held, its mark, the floor: the record; absent: floorLsn
 *   prepare   above effective and floors       promises                     promise: a ceiling at or above the ballot
 *             else                                                          nack
 *   accept    ballot is the held one                                        ack: the record
 *             at or above effective, floors    logs, holds                  ack: the record
 *             else                                                          nack
 *   learn     above held (absent: above floor) logs, holds, marks           learned: the record
 *   chosen    ballot is the held one           marks
 *   ask       see purgeable()                                               purgeable: the record or floorLsn
 *   purge                                      logs the floor, then a removal
 *
 * Not waited for: a promise tells of a state that may not be durable yet. A base that is lost in a crash afterwards was not acknowledged by
 * this replica, and a proposal on top of it contains it.
 */
import { type Dot, maxDot, NO_DOT } from "../clock/dot.js";
import { ACCEPTOR_RULES, type AcceptorRules } from "./acceptor-rules.js";
import type {
  AcceptRequest,
  AskRequest,
  ChosenNotice,
  LearnRequest,
  NackReply,
  PrepareRequest,
  PurgeNotice,
  ReadRequest,
  Reply,
  Request,
} from "./messages.js";
import { Promises } from "./promises.js";
import type { Held, PartitionView, RegisterState } from "./state.js";

/** Keys between a promise and its acceptance: about 100 bytes each. */
const PROMISES_MAX = 65_536;

/**
 * What to do, in this order: log and hold the new state; log the floor; log the removal; set the mark; send the reply when all
 * that it waits for is durable. One object for each acceptor, overwritten by the next request.
 */
export class AcceptorEffects<V> {
  /** The key's state from now on. */
  accepted: { readonly ballot: Dot; readonly state: RegisterState<V>; readonly chosen: boolean } | undefined;
  /** The partition's floor becomes at least this; 0: no change. */
  floor = 0;
  /** The key's record goes. */
  removes = false;
  /** The held state gets the chosen mark. Nothing is logged for that. */
  marks = false;
  reply: Reply<V> | undefined;
  /** The reply waits for this log position; 0: none. */
  afterLsn = 0;
  /** The reply waits for what these effects log. */
  afterWrites = false;
  /** The reply waits for a durable ceiling at or above this hlc (core/clock/ceiling.ts); 0: none. */
  underCeiling = 0;

  clear(): void {
    this.accepted = undefined;
    this.floor = 0;
    this.removes = false;
    this.marks = false;
    this.reply = undefined;
    this.afterLsn = 0;
    this.afterWrites = false;
    this.underCeiling = 0;
  }
}

export interface AcceptorOptions {
  /** The ceiling recovered from the log: promises of an earlier life lie at or below it. */
  readonly restartFloor: number;
  readonly promisesMax?: number;
  readonly rules?: AcceptorRules;
}

export class Acceptor<V> {
  readonly effects: AcceptorEffects<V> = new AcceptorEffects<V>();
  private readonly promises: Promises;
  private readonly restartFloor: number;
  private readonly rules: AcceptorRules;

  constructor(options: AcceptorOptions) {
    this.rules = options.rules ?? ACCEPTOR_RULES;
    this.restartFloor = options.restartFloor;
    this.promises = new Promises(options.promisesMax ?? PROMISES_MAX, this.rules);
  }

  /**
   * @param held what this replica holds of the key, undefined: absent. @param partition of the key.
   * @returns `effects`, valid until the next call.
   */
  receive(request: Request<V>, held: Held<V> | undefined, partition: PartitionView): AcceptorEffects<V> {
    this.effects.clear();
    if (!this.rules.epochMatches(partition.epoch, request.epoch)) {
      this.refuse(request, partition.epoch);
      return this.effects;
    }
    switch (request.type) {
      case "read":
        this.read(request, held, partition);
        break;
      case "prepare":
        this.prepare(request, held, partition);
        break;
      case "accept":
        this.accept(request, held, partition);
        break;
      case "learn":
        this.learn(request, held, partition);
        break;
      case "chosen":
        this.chosen(request, held);
        break;
      case "ask":
        this.ask(request, held, partition);
        break;
      case "purge":
        this.purge(request, held);
        break;
    }
    return this.effects;
  }

  private refuse(request: Request<V>, epoch: number): void {
    this.effects.reply = {
      type: "refused",
      key: request.key,
      request: request.type,
      ballot: request.type === "read" ? undefined : request.ballot,
      id: request.type === "read" ? request.id : 0,
      epoch,
    };
  }

  /** What ballots must be above (to be promised), or at least at (to be accepted). */
  private effective(key: string, held: Held<V> | undefined, epoch: number): Dot {
    const implicit = held === undefined ? NO_DOT : this.rules.implicitPromise(held.ballot);
    return this.rules.effective(this.promises.get(key), implicit, this.promises.evictFloor, epoch);
  }

  private aboveFloors(ballot: Dot, held: Held<V> | undefined, partition: PartitionView): boolean {
    return this.rules.aboveFloors(ballot, held === undefined, partition.floor, this.restartFloor);
  }

  private read(request: ReadRequest, held: Held<V> | undefined, partition: PartitionView): void {
    const { key, boot, id, have } = request;
    const chosen = held?.chosen ?? false;
    this.effects.reply = {
      type: "state",
      key,
      boot,
      id,
      ballot: held?.ballot,
      state: stateUnless(held, have),
      chosen,
      floor: partition.floor,
    };
    this.effects.afterLsn = this.rules.answersAfter(lsnOf(held, partition));
  }

  private prepare(request: PrepareRequest, held: Held<V> | undefined, partition: PartitionView): void {
    const { key, ballot, have } = request;
    const effective = this.effective(key, held, partition.epoch);
    if (!this.rules.mayPromise(ballot, effective) || !this.aboveFloors(ballot, held, partition)) {
      this.effects.reply = this.nack(request, "prepare", effective, held, partition);
      return;
    }
    this.promises.set(key, this.rules.promisedAfterPrepare(ballot));
    const state = stateUnless(held, have);
    this.effects.reply = { type: "promise", key, ballot, accepted: held?.ballot, state, floor: partition.floor };
    this.effects.underCeiling = this.rules.promiseUnderCeiling(ballot);
  }

  private accept(request: AcceptRequest<V>, held: Held<V> | undefined, partition: PartitionView): void {
    const { key, ballot, state } = request;
    if (this.rules.knows(ballot, held)) {
      this.effects.afterLsn = this.rules.answersAfter(lsnOf(held, partition));
    } else {
      const effective = this.effective(key, held, partition.epoch);
      if (!this.rules.mayAccept(ballot, effective) || !this.aboveFloors(ballot, held, partition)) {
        this.effects.reply = this.nack(request, "accept", effective, held, partition);
        return;
      }
      this.effects.accepted = { ballot, state, chosen: false };
      this.effects.afterWrites = this.rules.answersAfterOwnWrite();
      // From here on the accepted state implies more than what was promised: it is at or above it.
      this.promises.set(key, undefined);
    }
    this.effects.reply = { type: "ack", key, ballot };
  }

  private learn(request: LearnRequest<V>, held: Held<V> | undefined, partition: PartitionView): void {
    const { key, ballot, state } = request;
    if (this.rules.learns(ballot, held, partition.floor)) {
      this.effects.accepted = { ballot, state, chosen: true };
      this.effects.afterWrites = this.rules.answersAfterOwnWrite();
      this.promises.set(key, this.rules.promisedAfterLearn(this.promises.get(key), ballot));
    } else {
      this.effects.marks = this.rules.marks(ballot, held);
      this.effects.afterLsn = this.rules.answersAfter(lsnOf(held, partition));
    }
    this.effects.reply = { type: "learned", key, ballot };
  }

  private chosen(request: ChosenNotice, held: Held<V> | undefined): void {
    this.effects.marks = this.rules.marks(request.ballot, held);
  }

  /**
   * "Is this tombstone all that you have of the key, durably?" A yes from all replicas means that no older state is left anywhere, and that
   * nobody holds a promise on top of which one could come back.
   */
  private ask(request: AskRequest, held: Held<V> | undefined, partition: PartitionView): void {
    const { key, ballot } = request;
    const yes =
      held === undefined
        ? this.rules.purgeableWhenAbsent(ballot, partition.floor)
        : this.rules.knows(ballot, held) &&
          held.state.value === undefined &&
          this.rules.purgeableWhenHeld(ballot, this.effective(key, held, partition.epoch), this.restartFloor);
    this.effects.reply = { type: "purgeable", key, ballot, yes };
    this.effects.afterLsn = this.rules.answersAfter(lsnOf(held, partition));
  }

  private purge(request: PurgeNotice, held: Held<V> | undefined): void {
    const { key, ballot } = request;
    this.effects.floor = this.rules.purgeFloor(ballot);
    if (held === undefined || !this.rules.purgeRemoves(ballot, held)) return;
    this.effects.removes = true;
    this.promises.set(key, this.rules.promisedAfterPurge(this.promises.get(key)));
  }

  private nack(
    request: PrepareRequest | AcceptRequest<V>,
    phase: "prepare" | "accept",
    effective: Dot,
    held: Held<V> | undefined,
    partition: PartitionView,
  ): NackReply {
    const floor = held === undefined ? Math.max(partition.floor, this.restartFloor) : this.restartFloor;
    const bound = floor > effective.hlc ? { epoch: partition.epoch, hlc: floor, node: 0 } : effective;
    return { type: "nack", key: request.key, ballot: request.ballot, phase, bound: maxDot(bound, effective) };
  }
}

/** The state to send to an asker who holds that of the ballot `have`. */
function stateUnless<V>(held: Held<V> | undefined, have: Dot | undefined): RegisterState<V> | undefined {
  if (held === undefined) return undefined;
  const { ballot } = held;
  const has = have !== undefined && have.hlc === ballot.hlc && have.node === ballot.node && have.epoch === ballot.epoch;
  return has ? undefined : held.state;
}

function lsnOf(held: Held<unknown> | undefined, partition: PartitionView): number {
  return held === undefined ? partition.floorLsn : held.lsn;
}
