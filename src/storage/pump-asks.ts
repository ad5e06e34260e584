/** storage/pump-asks.ts: when the log's pump runs next: at the end of the turn, or in some time. Asked for twice it runs once. */
import type { Scheduler } from "../ports/scheduler.js";

export class PumpAsks {
  /** It will run without being asked again. Whoever runs it sets this to false first. */
  asked = false;
  private timed = false;
  private readonly scheduler: Scheduler;
  private readonly pump: () => void;

  constructor(scheduler: Scheduler, pump: () => void) {
    this.scheduler = scheduler;
    this.pump = pump;
  }

  atEndOfTurn(): void {
    if (this.asked) return;
    this.asked = true;
    this.scheduler.endOfTurn(this.pump);
  }

  /** It may be asked for sooner meanwhile. */
  within(ms: number): void {
    if (this.timed || ms === Number.POSITIVE_INFINITY) return;
    this.timed = true;
    this.scheduler.after(ms, () => {
      this.timed = false;
      if (!this.asked) this.pump();
    });
  }

  /** And not before. */
  notBefore(ms: number): void {
    this.asked = true;
    this.scheduler.after(ms, this.pump);
  }
}
