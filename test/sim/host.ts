/**
 * test/sim/host.ts: one simulated machine: its clocks, its turns of the event loop, whether it runs. It serves the Scheduler port to the node
 * on it.
 *
 * Clocks: the steady one runs a little fast or slow; the wall clock is off by some amount, drifts, and may jump either way.
 * Turns: all that happens to a host within one quantum of time happens in one turn, as for an event loop that polls; then what waits for the
 * end of the turn runs. A paused host does nothing, and what became due meanwhile comes late.
 * A life ends with a crash: nothing that belonged to it happens any more.
 */
import type { Cancel, Scheduler } from "../../src/ports/scheduler.js";
import { PowerLoss } from "../lib/sim-disk.js";
import { type Events, TICKS_PER_MS } from "./events.js";

/** When the simulation begins, on a clock that is right. */
export const START_WALL_MS = 1_800_000_000_000;

export interface ClockFaults {
  readonly offsetMs: number;
  /** Wall ms per ms. */
  readonly wallRate: number;
  readonly steadyRate: number;
}

export class Host implements Scheduler {
  readonly index: number;
  life = 1;
  /** Does its process run? */
  up = false;
  /** In ticks. */
  pausedUntil = 0;
  /** Does the machine have power? Else nobody tells its peers that it is gone. */
  powered = true;
  /** The power has gone within the call that runs now: nothing leaves any more. */
  dying = false;
  /** Called after that: the host is to be crashed. */
  onPowerLoss: () => void = () => {};
  /** Called with what the node threw. */
  onError: (error: Error) => void = (error) => {
    throw error;
  };
  private readonly events: Events;
  private readonly quantum: number;
  /** How much each look at the clock costs, ms: slices of upkeep end by it. */
  private readonly lookMs: number;
  private readonly clock: ClockFaults;
  private jumpedMs = 0;
  private steadyMs = 0;
  private turn: (() => void)[] = [];
  private turnAsked = false;
  private ending = false;

  constructor(index: number, events: Events, quantum: number, lookMs: number, clock: ClockFaults) {
    this.index = index;
    this.events = events;
    this.quantum = quantum;
    this.lookMs = lookMs;
    this.clock = clock;
  }

  nowMs(): number {
    return Math.floor(this.wallMs());
  }

  wallMs(): number {
    return START_WALL_MS + this.clock.offsetMs + this.jumpedMs + this.events.nowMs * this.clock.wallRate;
  }

  monotonicMs(): number {
    const ms = this.events.nowMs * this.clock.steadyRate;
    const next = this.steadyMs + this.lookMs;
    this.steadyMs = ms > next ? ms : next;
    return this.steadyMs;
  }

  after(ms: number, run: () => void): Cancel {
    const { events } = this;
    // From what the steady clock last showed: it is never to be early.
    const fromMs = Math.max(this.steadyMs, events.nowMs * this.clock.steadyRate);
    const event = events.at(this.nextTurn(((fromMs + ms) / this.clock.steadyRate) * TICKS_PER_MS), this, run);
    return () => events.cancel(event);
  }

  endOfTurn(run: () => void): void {
    this.turn.push(run);
    if (this.turnAsked) return;
    this.turnAsked = true;
    if (this.ending) this.events.at(this.nextTurn(this.events.now + 1), this, this.endTurn);
    else this.events.last(this, this.endTurn);
  }

  /** The tick of the first turn at or after one. */
  nextTurn(tick: number): number {
    const { quantum } = this;
    return Math.max(Math.ceil(tick / quantum), Math.floor(this.events.now / quantum) + 1) * quantum;
  }

  private readonly endTurn = (): void => {
    const { turn } = this;
    this.turn = [];
    this.turnAsked = false;
    this.ending = true;
    for (const run of turn) {
      run();
      if (this.dying || !this.up) break;
    }
    this.ending = false;
  };

  jump(ms: number): void {
    this.jumpedMs += ms;
  }

  pause(ms: number): void {
    this.pausedUntil = Math.max(this.pausedUntil, this.nextTurn(this.events.now + ms * TICKS_PER_MS));
  }

  /** Run something that happens to this host. */
  enter(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.ending = false;
      if (error instanceof PowerLoss) this.dying = true;
      // What follows from a power loss is not the node's fault.
      else if (!this.dying) this.onError(error as Error);
    }
    if (this.dying) this.onPowerLoss();
  }

  /** The process is gone, and everything it had asked for. */
  end(): void {
    this.life++;
    this.up = false;
    this.dying = false;
    this.pausedUntil = 0;
    this.turn = [];
    this.turnAsked = false;
    this.ending = false;
  }
}
