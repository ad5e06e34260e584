/**
 * cluster/replica.ts: this node as one of a key's replicas: the acceptor's effects carried out on the storage. What it logs lies in the open
 * batch and in memory at once; what it answers says for which position of the log the answer has to wait.
 *
 * Durable: accepted states, ceilings. Volatile: promises, marks. Invariants: no answer is given away that does not wait for what it
 * tells of; no message that needs a ceiling leaves before one is durable.
 */
import { Ceiling, UNLOGGED } from "../core/clock/ceiling.js";
import { compareDots, type Dot, sameDot } from "../core/clock/dot.js";
import type { Hlc } from "../core/clock/hlc.js";
import { Acceptor } from "../core/register/acceptor.js";
import type { AcceptorRules } from "../core/register/acceptor-rules.js";
import type { Reply, Request } from "../core/register/messages.js";
import type { Held, PartitionView, RegisterState } from "../core/register/state.js";
import { encodeState, type RecordState, type Value } from "../storage/state-record.js";

/** What a replica needs of the storage; storage/registers.ts. */
export interface ReplicaStorage {
  /** At or above every ceiling and dot of the lives before. */
  readonly recoveredCeiling: number;
  readonly appendedLsn: number;
  readonly durableLsn: number;
  /** Is there room on the disk for more? */
  readonly hasRoom: boolean;
  /** And for a record of so many bytes? */
  takes(bytes: number): boolean;
  /** Records of deleted keys: kept until all replicas can be asked to forget them. */
  readonly tombstones: number;
  held(name: string): Held<Value> | undefined;
  /** As held(): valid until anything else is asked of the storage or done to it. */
  glance(name: string): Held<Value> | undefined;
  accept(record: Buffer, chosen: boolean): number;
  mark(name: string, ballot: Dot): void;
  logCeiling(hlc: number): number;
}

/** Nothing is deleted for good yet, so no floor was ever raised, and "absent" depends on nothing. */
const PARTITION: PartitionView = { epoch: 0, floor: 0, floorLsn: 0 };

export interface ReplicaBounds {
  /** As AcceptorOptions.promisesMax. */
  readonly promises?: number;
  /** How far ahead of use a ceiling is logged, of an hlc. */
  readonly ceilingLead?: number;
}

export class Replica {
  /** After receive(): the answer waits for this position of the log; 0: none. */
  afterLsn = 0;
  /** Reads that it was asked for. */
  reads = 0;
  /** Requests that found no room on the disk. */
  turnedAway = 0;
  /** After receive(): there was no room for it on the disk, and nothing was done. */
  lackedRoom = false;
  /** After receive(): what is held got the chosen mark. */
  marked = false;
  readonly ceiling: Ceiling;
  private readonly storage: ReplicaStorage;
  private readonly clock: Hlc;
  private readonly acceptor: Acceptor<Value>;
  // The same key is asked for several times in a row: for what the asker has, and for what the replica has.
  private lastName = "";
  private last: Held<Value> | undefined;

  /** @param clock above the recovered ceiling. */
  constructor(storage: ReplicaStorage, clock: Hlc, rules?: AcceptorRules, bounds: ReplicaBounds = {}) {
    const { promises, ceilingLead } = bounds;
    const { recoveredCeiling: restartFloor } = storage;
    this.storage = storage;
    this.clock = clock;
    this.ceiling = new Ceiling(restartFloor, ceilingLead);
    this.acceptor = new Acceptor({
      restartFloor,
      ...(rules === undefined ? {} : { rules }),
      ...(promises === undefined ? {} : { promisesMax: promises }),
    });
  }

  // HOT: several times an operation.
  held(name: string): Held<Value> | undefined {
    if (name === this.lastName) return this.last;
    this.last = this.storage.held(name);
    this.lastName = name;
    return this.last;
  }

  /** @returns the position of the log from which on this replica holds that very ballot durably, 0: it does; -1: it does not hold it. */
  holds(name: string, ballot: Dot): number {
    const held = name === this.lastName ? this.last : this.storage.glance(name);
    if (held === undefined || !sameDot(held.ballot, ballot)) return -1;
    return held.lsn <= this.storage.durableLsn ? 0 : held.lsn;
  }

  /** Does this replica hold that ballot of the key durably, or a later one? */
  reaches(name: string, ballot: Dot): boolean {
    const held = name === this.lastName ? this.last : this.storage.glance(name);
    return held !== undefined && held.lsn <= this.storage.durableLsn && compareDots(held.ballot, ballot) >= 0;
  }

  // HOT: once per request.
  /** @returns the answer, if the request has one; it waits for `afterLsn`. */
  receive(request: Request<Value>): Reply<Value> | undefined {
    this.marked = false;
    this.lackedRoom = this.turnsAway(request);
    if (this.lackedRoom) {
      this.turnedAway++;
      this.afterLsn = 0;
      return undefined;
    }
    const { key } = request;
    if (request.type === "read") this.reads++;
    const held = key === this.lastName ? this.last : this.storage.glance(key);
    const effects = this.acceptor.receive(request, held, PARTITION);
    const { accepted, reply, underCeiling } = effects;
    let lsn = effects.afterLsn;
    if (accepted !== undefined) {
      const record = encodeState(key, accepted.ballot, accepted.state);
      const logged = this.storage.accept(record, accepted.chosen);
      this.lastName = "";
      if (effects.afterWrites) lsn = logged;
      this.renew();
    }
    if (effects.marks && request.type !== "read") {
      this.storage.mark(key, request.ballot);
      this.lastName = "";
      this.marked = true;
    }
    if (underCeiling > 0) lsn = Math.max(lsn, this.cover(underCeiling));
    this.afterLsn = lsn <= this.storage.durableLsn ? 0 : lsn;
    effects.clear();
    return reply;
  }

  /** Without room on the disk nothing is promised or taken: what is accepted would wait in memory, without end. Reads go on. */
  private turnsAway(request: Request<Value>): boolean {
    const { type } = request;
    if (type === "read" || type === "chosen") return false;
    if (!this.storage.hasRoom) return true;
    return (type === "accept" || type === "learn") && !this.storage.takes(recordBytes(request.state));
  }

  get hasRoom(): boolean {
    return this.storage.hasRoom;
  }

  /** Can a message under `hlc` leave, if need be after a ceiling was logged? */
  canCover(hlc: number): boolean {
    return this.ceiling.gate(hlc) !== UNLOGGED || this.storage.hasRoom;
  }

  /** A batch is written anyway: let the ceiling rise with it. */
  private renew(): void {
    const ceiling = this.ceiling.renewal(this.clock.value());
    if (ceiling > 0) this.ceiling.appended(ceiling, this.storage.logCeiling(ceiling));
  }

  /** @returns the position of the log that a message under `hlc` waits for; 0: it may leave. */
  cover(hlc: number): number {
    const lsn = this.ceiling.gate(hlc);
    if (lsn !== UNLOGGED) return lsn;
    const ceiling = this.ceiling.ahead(hlc);
    const logged = this.storage.logCeiling(ceiling);
    this.ceiling.appended(ceiling, logged);
    return logged;
  }

  /** The log has come further. */
  durable(): void {
    this.ceiling.durable(this.storage.durableLsn);
  }
}

/** Who asks has made the record already, or has it from a peer. */
function recordBytes(state: RegisterState<Value>): number {
  return "record" in state ? (state as RecordState).record.length : 0;
}
