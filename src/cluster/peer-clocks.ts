/**
 * cluster/peer-clocks.ts: time as the cluster has it. Deadlines of keys are absolute times, and any node may be asked to set one or to end a key by
 * it; so a node whose clock is far from the others' goes by theirs.
 *
 *   nothing compared yet: no deadline counts    --a majority of clocks was seen, and two in the middle differ-->   doubt
 *          |                                                                                                         |
 *          `--it was seen, and has a middle-->   near: this node's own clock                    <--it has a middle---'
 *   near --off by more than OFF_MS_MAX-->  corrected by what the median is ahead  --off by less than NEAR_MS-->  near
 *
 * Doubt: of an even number of clocks two may be in the middle, far apart, and nobody knows which is right. Deadlines are set by the later and keys
 * ended by the earlier of them, so none ends early by either. Once there was a middle, it is time as it goes on by the steady clock that
 * tells which of two is right: what is nearer to it, and neither when both have jumped. So a peer that is away takes no correction with it.
 * Invariants: a key is ended by its deadline only by a node that has compared its clock with a majority since it started; while fewer are seen, what
 * was found last stays. Order and safety do not lean on clocks at all (core/clock/hlc.ts): what is at stake is when keys end.
 * Before a majority was seen deadlines are set by the later of the clocks that are, where it is far ahead: this node's own may be an hour behind, and
 * those who have compared theirs would end the key at once. That is a lead for deadlines only: nothing else leans on one peer's clock.
 * Between two looks, 300 ms apart or less, a wall clock that jumps is seen by the steady one, and time goes on by that.
 * Price: where the correction changes, time jumps with it. While no majority is seen time goes by the steady clock, and drifts as that does.
 * In doubt keys live longer, by what the two clocks differ.
 */
import type { Scheduler } from "../ports/scheduler.js";

/** A node may be so far off without consequence, ms. */
const OFF_MS_MAX = 500;
const NEAR_MS = 250;
/** The correction follows the median in steps, ms: what is measured wavers with each round trip. */
const STEP_MS = 50;
/** A peer's clock that was compared with nobody's counts only when it is so far ahead, ms: its small jumps are not followed. */
const LEAD_MS_MIN = 5000;

/** A peer's clock less ours, as a round trip that took so long told. */
export interface SeenClock {
  readonly clockOffsetMs: number;
  readonly roundTripMs: number;
}

/** Of the clocks that are seen and our own, in order, the two in the middle: how far they are ahead of ours, ms; the same one, of an odd number. */
interface Middle {
  readonly low: number;
  readonly high: number;
}

/**
 * A message may have spent the whole round trip on one way, so an offset is wrong by half of it at most: between nodes that are busy that is what
 * there is to see, and no clock is off. So of what a clock may be that counts which is nearest to time as it was taken to be.
 * @param ahead of our clock: time as it went on so far. A trip of many seconds, of a node that stood still, tells nothing against it.
 */
function middleOf(clocks: readonly SeenClock[], ahead: number): Middle {
  const offsets = [0];
  for (const { clockOffsetMs, roundTripMs } of clocks)
    offsets.push(Math.min(clockOffsetMs + roundTripMs / 2, Math.max(clockOffsetMs - roundTripMs / 2, ahead)));
  offsets.sort((a, b) => a - b);
  return { low: offsets[(offsets.length - 1) >> 1], high: offsets[offsets.length >> 1] };
}

/**
 * @param ahead of our clock: time as it went on so far. @returns the one of the two that is nearer to it, and if both are far, one before and one
 * behind, that time itself: then both have jumped, and as many clocks are before as behind it.
 */
function nearest({ low, high }: Middle, ahead: number): number {
  const near = Math.abs(low - ahead) <= Math.abs(high - ahead) ? low : high;
  return low < ahead && ahead < high && Math.abs(near - ahead) > OFF_MS_MAX ? ahead : near;
}

export class PeerClocks {
  /** To be added to this node's wall clock, whole ms. */
  correctionMs = 0;
  /** Was a majority of clocks seen since the start? Before, nobody knows whether ours is right. */
  compared = false;
  /** To be added to the time by which deadlines are set, while nothing is compared. It only rises: a peer that is away takes nothing with it. */
  leadMs = 0;
  /** How far the earlier of two clocks is behind time, neither of which is known to be right; 0: there is no doubt. */
  doubtMs = 0;
  /** Did a majority ever have a middle? */
  private settled = false;
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

  /** Keys whose deadline is not after it are gone, whole ms: time by the earliest clock that may be right. 0: no deadline counts yet. */
  expiryMs(): number {
    return this.compared ? this.nowMs() - this.doubtMs : 0;
  }

  /** How far this node's own clock is from the median, at least, ms. */
  get offMs(): number {
    const aheadMs = this.aheadMs();
    return Math.abs(nearest(middleOf(this.seen(), this.taken(aheadMs)), aheadMs));
  }

  /** Time as it goes on by the steady clock, less this node's wall clock: the correction, unless the wall clock jumped. */
  private aheadMs(): number {
    const { scheduler, wallLessSteadyMs, correctionMs } = this;
    return wallLessSteadyMs + scheduler.monotonicMs() + correctionMs - scheduler.nowMs();
  }

  /** As nowMs() goes: by this node's own clock, as long as nothing speaks against it. */
  private taken(aheadMs: number): number {
    return this.correctionMs === 0 && Math.abs(aheadMs) <= NEAR_MS ? 0 : aheadMs;
  }

  /** A clock was measured. */
  look(): void {
    const clocks = this.seen();
    if (2 * (clocks.length + 1) <= this.members) return this.lead(clocks);
    const beforeMs = this.aheadMs();
    const middle = middleOf(clocks, this.taken(beforeMs));
    const { low, high } = middle;
    this.compared = true;
    this.leadMs = 0;
    this.wallLessSteadyMs = this.scheduler.nowMs() - this.scheduler.monotonicMs();
    this.settled ||= high - low <= OFF_MS_MAX;
    this.follow(this.settled ? nearest(middle, beforeMs) : high);
    this.doubtMs = this.settled ? 0 : this.correctionMs - Math.floor(low);
  }

  /** No majority is seen. */
  private lead(clocks: readonly SeenClock[]): void {
    if (this.compared) return;
    const ahead = Math.floor(middleOf(clocks, 0).high - (this.nowMs() - this.scheduler.nowMs()));
    if (ahead > this.leadMs + LEAD_MS_MIN) this.leadMs = ahead;
  }

  private follow(ahead: number): void {
    const offMs = Math.abs(ahead);
    if (offMs <= (this.correctionMs === 0 ? OFF_MS_MAX : NEAR_MS)) this.correctionMs = 0;
    else if (Math.abs(ahead - this.correctionMs) > STEP_MS) this.correctionMs = Math.round(ahead);
  }
}
