/**
 * cluster/shipping.ts: what one peer is behind, and how it is brought up to date: the records of this node's own log that lie behind the
 * position up to which the peer has everything. The log is the hint log: there is no second store of what a peer missed.
 *
 *   up to date --link breaks, something could not be sent--> behind --peer asks (SHIP_FROM), link is up--> shipping
 *       ^                                                                                                      |
 *       `--------------------- the last batch is durable at the peer (SHIP_ACK) -------------------------------'
 *
 * While the peer is up to date, what it has moves on with the log: what was logged SETTLE_MS ago was sent by whoever proposed it, over a
 * link that did not break here; where another node's link to the peer broke, that node ships. It moves no further than to the first
 * ACCEPT of this node that the peer has not answered: it may hold it in memory only, before a disk that stands still. One that is not
 * answered for long is shipped. What an ACCEPT could not do
 * there (refused, or lost with nobody left to ship it) is found by CHOSEN (cluster/pulls.ts) and by readers.
 * A log that does not reach back so far any more: first all that the table holds, then the log from where that began.
 *
 * Shipped is what this replica still holds: a record that was replaced is passed over, its successor lies further on. A record known to be
 * chosen is learned by the peer, others are accepted under the rules of ACCEPT: a log holds accepted states, not chosen ones.
 * Invariants: one batch is under way; `hasLsn` only rises, and never beyond what the peer said is durable there, or what was settled.
 */
import { largeMs } from "./patience.js";
import type { PeerLink } from "./peer-link.js";
import { type Batch, bytesOf, type LogReader, type Moment, type ShipSource, type Walk } from "./ship-source.js";

const SETTLE_MS = 4000;
export const SHIP_TICK_MS = 1000;
/** Answers to ACCEPTs have come by then, or will not. */
const UNANSWERED_TICKS_MAX = 10;
/** A batch that is not answered by then was lost with its link, or the peer is not able to. A large one has longer. */
const ANSWER_MS = 5000;

/** Others travel beside it. */
const BATCH_TIMES = 4;

export class Shipping {
  /** The peer has everything of this node's log up to here that concerns it. */
  hasLsn: number;
  behind = true;
  batches = 0;
  records = 0;
  private readonly peer: number;
  private readonly source: ShipSource;
  private bytesMax = 0;
  /** Under way; 0: none. */
  private batchId = 0;
  private batchLsn = 0;
  private batchDueMs = 0;
  /** Read, and there was no room to send it. */
  private unsent: Batch | undefined;
  private batchEnds = false;
  /** It goes on in another turn of the loop. */
  private paused = false;
  private stopped = false;
  /** How far the log was durable at the last ticks, the oldest first. */
  private readonly noted: Moment[] = [];
  /** What ACCEPTs up to this number carried, the peer has. */
  private sureId = 0;
  /** When something was missed last: what came before that has been shipped once this position has. */
  private missedAt: Moment = { lsn: 0, id: 0 };
  /** Ticks for which an answer is late. */
  private lateTicks = 0;
  /** In the table, when the log does not reach back; and where it was when the peer had acknowledged everything before. */
  private walk: Walk | undefined;
  private sureWalk: Walk | undefined;
  private reader: LogReader | undefined;

  constructor(peer: number, hasLsn: number, source: ShipSource) {
    this.peer = peer;
    this.hasLsn = hasLsn;
    this.source = source;
  }

  /** The peer is ready for what it misses. @param bytesMax of a batch. */
  asked(link: PeerLink, bytesMax: number, nowMs: number): void {
    this.bytesMax = bytesMax;
    this.missed();
    this.next(link, nowMs);
  }

  /** Something that the peer should have had may not have arrived. */
  missed(): void {
    this.behind = true;
    this.missedAt = this.source.now();
    this.noted.length = 0;
    this.batchId = 0;
    // What was on its way may be lost. What was acknowledged is not; and what may be lost besides lies in the log behind the walk.
    this.walk = copyOf(this.sureWalk);
    this.unsent = undefined;
    this.close();
  }

  /** Every SHIP_TICK_MS. */
  tick(link: PeerLink, nowMs: number): void {
    if (link.state === "down" || this.bytesMax === 0) {
      this.noted.length = 0;
      return;
    }
    if (!this.behind) {
      // A large one that waits may still be given up, long after it was logged.
      if (link.largeWaiting > 0) this.noted.length = 0;
      else this.settle();
    } else if (this.batchId === 0) {
      if (!this.paused) this.next(link, nowMs);
    } else if (nowMs > this.batchDueMs) this.missed();
  }

  private settle(): void {
    const { source, noted } = this;
    if (noted.length >= SETTLE_MS / SHIP_TICK_MS) {
      const { lsn, id } = noted[0];
      if (source.awaits(this.peer, this.sureId, id)) {
        if (++this.lateTicks > UNANSWERED_TICKS_MAX && !source.busy) this.missed();
        return;
      }
      noted.shift();
      this.lateTicks = 0;
      this.sureId = id;
      this.hasLsn = Math.max(this.hasLsn, lsn);
    }
    noted.push({ lsn: source.durableLsn, id: source.now().id });
  }

  /** A batch is durable at the peer. */
  acknowledged(link: PeerLink, id: number, nowMs: number): void {
    if (id !== this.batchId || id === 0) return;
    this.batchId = 0;
    this.has(this.batchLsn);
    if (this.batchEnds) this.ended();
    if (this.behind) this.next(link, nowMs);
  }

  /** The peer has everything before the position, or before where the walk is. */
  private has(lsn: number): void {
    if (this.walk === undefined) this.hasLsn = Math.max(this.hasLsn, lsn);
    else this.sureWalk = copyOf(this.walk);
  }

  private ended(): void {
    if (this.walk !== undefined) {
      this.hasLsn = Math.max(this.hasLsn, this.walk.fromLsn);
      this.walk = undefined;
      this.sureWalk = undefined;
      return;
    }
    this.close();
    // What was missed may be in the log and not durable yet: a tick goes on when it is.
    if (this.batchLsn < this.missedAt.lsn) return;
    this.sureId = this.missedAt.id;
    this.behind = false;
    this.noted.length = 0;
    this.lateTicks = 0;
  }

  private read(): Batch {
    const { source, peer, bytesMax } = this;
    if (this.walk === undefined) {
      this.reader ??= source.logFrom(this.hasLsn + 1);
      const batch = source.fromLog(peer, this.reader, bytesMax);
      if (batch !== undefined) return batch;
      this.close();
      this.walk = { fromLsn: source.durableLsn, db: 0, cursor: 0, left: [] };
    }
    return source.fromTable(peer, this.walk, bytesMax);
  }

  stop(): void {
    this.stopped = true;
    this.close();
  }

  /** Let go of the log. */
  private close(): void {
    this.reader?.close();
    this.reader = undefined;
  }

  /** The turn's share of reading was used up before anything was found: a loop that is late has none to give away. */
  private nextSoon(link: PeerLink, nowMs: number): void {
    if (this.paused) return;
    this.paused = true;
    this.source.later(() => {
      this.paused = false;
      if (this.behind && this.batchId === 0 && !this.stopped) this.next(link, nowMs);
    });
  }

  private next(link: PeerLink, nowMs: number): void {
    // A tick asks again.
    if (link.state === "down" || this.source.unbegun) return;
    const batch = this.unsent ?? this.read();
    this.unsent = undefined;
    // Nothing in it concerns the peer: there is nothing to wait for.
    if (batch.records.length === 0) {
      this.has(batch.lastLsn);
      if (!batch.ends) return this.nextSoon(link, nowMs);
      this.batchLsn = batch.lastLsn;
      const walked = this.walk !== undefined;
      this.ended();
      // After the table the log.
      if (walked) this.next(link, nowMs);
      return;
    }
    this.batchId = this.source.send(link, batch);
    if (this.batchId === 0) {
      this.unsent = batch;
      return;
    }
    this.batchDueMs = nowMs + ANSWER_MS + BATCH_TIMES * largeMs(bytesOf(batch));
    this.batchLsn = batch.lastLsn;
    this.batchEnds = batch.ends;
    this.batches++;
    this.records += batch.records.length;
  }
}

function copyOf(walk: Walk | undefined): Walk | undefined {
  return walk === undefined ? undefined : { ...walk, left: walk.left.slice() };
}
