/**
 * test/lib/fake-scheduler.ts: the Scheduler port driven by hand: time moves when the test says so, turns end when it says so.
 */
import type { Cancel, Scheduler } from "../../src/ports/scheduler.js";

export class FakeScheduler implements Scheduler {
  private ms = 0;
  /** Each look takes a little: loops that wait for the steady clock end. */
  private lookedMs = 0;
  private wallLessSteadyMs = 1_800_000_000_000;
  private turn: (() => void)[] = [];
  private timers: { at: number; run: () => void }[] = [];

  get wallMs(): number {
    return Math.floor(this.wallLessSteadyMs + this.ms);
  }
  /** The wall clock is set. */
  set wallMs(ms: number) {
    this.wallLessSteadyMs = ms - this.ms;
  }

  nowMs(): number {
    return this.wallMs;
  }
  monotonicMs(): number {
    this.lookedMs += 0.001;
    return this.ms + this.lookedMs;
  }
  after(ms: number, run: () => void): Cancel {
    const timer = { at: this.ms + ms, run };
    this.timers.push(timer);
    return () => {
      this.timers = this.timers.filter((other) => other !== timer);
    };
  }
  endOfTurn(run: () => void): void {
    this.turn.push(run);
  }

  /** End this turn: run what waited for it. @returns how many ran. */
  endTurn(): number {
    const turn = this.turn;
    this.turn = [];
    for (const run of turn) run();
    return turn.length;
  }

  /** Time passes, and nobody gets to run: what became due meanwhile comes late. */
  stall(ms: number): void {
    this.ms += ms;
  }

  /** Let time pass, running timers in order and ending turns between. */
  advance(ms: number): void {
    const until = this.ms + ms;
    for (;;) {
      // Work that goes on turn after turn (snapshot slices) gets a fair number of turns per step of time.
      for (let turns = 0; turns < 100 && this.endTurn() > 0; turns++);
      const due = this.timers.filter((timer) => timer.at <= until).sort((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      this.timers = this.timers.filter((timer) => timer !== due);
      this.ms = Math.max(this.ms, due.at);
      due.run();
    }
    this.ms = Math.max(this.ms, until);
  }
}
