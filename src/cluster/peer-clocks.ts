/**
 * cluster/peer-clocks.ts: time as the cluster has it. Deadlines of keys are absolute times, and any node may be asked to set one or to end a key by
 * it; so a node whose clock is far from the others' goes by theirs.
 *
 *   nothing compared yet: no deadline counts       --a majority of clocks was seen-->   near: this node's own clock
 *   near --off by more than OFF_MS_MAX-->  corrected by what the median is ahead  --off by less than NEAR_MS-->  near
 *
 * Invariants: a key is ended by its deadline only by a node that has compared its clock with a majority since it started; while fewer are seen, what
 * was found last stays. Order and safety do not lean on clocks at all (core/clock/hlc.ts): what is at stake is when keys end.
 * Between two looks, 300 ms apart or less, a wall clock that jumps is seen by the steady one, and time goes on by that.
 * Price: where the correction changes, time jumps with it. While no majority is seen time goes by the steady clock, and drifts as that does.
 */
import type { Scheduler } from "../ports/scheduler.js";

/** A node may be so far off without consequence, ms. */
const OFF_MS_MAX = 500;
const NEAR_MS = 250;
/** The correction follows the median in steps, ms: what is measured wavers with each round trip. */
const STEP_MS = 50;

/** A peer's clock less ours, as a round trip that took so long told. */
export interface SeenClock {
  readonly clockOffsetMs: number;
  readonly roundTripMs: number;
}

/**
 * How far the median of those clocks and our own is ahead of ours, ms: at least so far, below 0: behind. A message may have spent the whole round trip on one way,
 * so an offset is wrong by half of it at most: between nodes that are busy that is what there is to see, and no clock is off.
 */
export function medianAheadMs(clocks: readonly SeenClock[]): number {
  const offsets = [0];
  for (const { clockOffsetMs, roundTripMs } of clocks)
    offsets.push(Math.sign(clockOffsetMs) * Math.max(0, Math.abs(clockOffsetMs) - roundTripMs / 2));
  offsets.sort((a, b) => a - b);
  // Of an even number the one that is nearer: two clocks cannot say which of them is wrong.
  const low = offsets[(offsets.length - 1) >> 1];
  const high = offsets[offsets.length >> 1];
  return Math.abs(low) <= Math.abs(high) ? low : high;
}

export class PeerClocks {
  /** To be added to this node's wall clock, whole ms. */
  correctionMs = 0;
  /** Was a majority of clocks seen since the start? Before, nobody knows whether ours is right. */
  compared = false;
  private readonly members: number;
  private readonly scheduler: Scheduler;
  private readonly seen: () => readonly SeenClock[];
  /** The wall clock less the steady one at the last look. */
  private wallLessSteadyMs: number;

  /** @param members of the cluster, this node among them. @param seen the clocks that can be seen now. */
  constructor(members: number, scheduler: Scheduler, seen: () => readonly SeenClock[]) {
    this.members = members;
    this.scheduler = scheduler;
    this.seen = seen;
    this.wallLessSteadyMs = scheduler.nowMs() - scheduler.monotonicMs();
  }

  // HOT: several times an operation.
  /** Time, whole ms. */
  nowMs(): number {
    const { scheduler, correctionMs } = this;
    const wallMs = scheduler.nowMs();
    const steadyMs = this.wallLessSteadyMs + scheduler.monotonicMs();
    if (correctionMs === 0 && Math.abs(wallMs - steadyMs) <= NEAR_MS) return wallMs;
    return Math.floor(steadyMs) + correctionMs;
  }

  /** How far this node's own clock is from the median, at least, ms. */
  get offMs(): number {
    return Math.abs(medianAheadMs(this.seen()));
  }

  /** A clock was measured. */
  look(): void {
    const clocks = this.seen();
    if (2 * (clocks.length + 1) <= this.members) return;
    this.compared = true;
    this.wallLessSteadyMs = this.scheduler.nowMs() - this.scheduler.monotonicMs();
    const ahead = medianAheadMs(clocks);
    const offMs = Math.abs(ahead);
    if (offMs <= (this.correctionMs === 0 ? OFF_MS_MAX : NEAR_MS)) this.correctionMs = 0;
    else if (Math.abs(ahead - this.correctionMs) > STEP_MS) this.correctionMs = Math.round(ahead);
  }
}
