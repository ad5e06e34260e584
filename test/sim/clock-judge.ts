/**
 * test/sim/clock-judge.ts: how late a node may believe it to be: what a key's end is judged by. By the highest of all wall clocks, and, of three
 * nodes, by their median.
 *
 * Where clocks jump the median of one moment is not that of the next. A node that sees both others is at the median after each look. One that sees one
 * of them, or none, goes on by its steady clock from the median that it saw last, wherever the clocks jump meanwhile (cluster/peer-clocks.ts):
 * nobody can know then which jump was right. So while not all see all, the latest median goes on as steady clocks do; test/sim/seeds/12000146.json
 * had two clocks of three 9 s ahead, then the third's node stood still for a minute, and one of the two jumped back.
 */
import { TICKS_PER_MS } from "./events.js";
import type { Host } from "./host.js";
import type { WallClocks } from "./ledger.js";
import type { Machine } from "./machine.js";

/** All have seen all for so long, and stood still for no moment of it: each has looked, ms. */
const TOGETHER_MS = 1000;

export class ClockJudge {
  private readonly hosts: readonly Host[];
  private readonly machines: readonly (Machine | undefined)[];
  private readonly nowTick: () => number;
  private readonly medianCounts: boolean;
  private readonly jumps: boolean;
  private wallMs = 0;
  private medianMs = 0;
  private lookedTick = 0;
  private apartTick = 0;

  /** @param medianCounts a node goes by the median of all clocks. @param jumps clocks jump. */
  constructor(
    hosts: readonly Host[],
    machines: readonly (Machine | undefined)[],
    nowTick: () => number,
    kind: { readonly medianCounts: boolean; readonly jumps: boolean },
  ) {
    this.hosts = hosts;
    this.machines = machines;
    this.nowTick = nowTick;
    this.medianCounts = kind.medianCounts;
    this.jumps = kind.jumps;
  }

  /** The latest that it may have been so far. To be called before each jump, and whenever it is asked for. */
  now(): WallClocks {
    const clocks = this.hosts.map((host) => host.wallMs()).sort((a, b) => a - b);
    this.wallMs = Math.max(this.wallMs, clocks[clocks.length - 1]);
    if (!this.medianCounts) return { wallMs: this.wallMs, medianMs: Number.POSITIVE_INFINITY };
    const tick = this.nowTick();
    if (this.jumps && !this.together(tick)) this.medianMs += (tick - this.lookedTick) / TICKS_PER_MS;
    this.lookedTick = tick;
    this.medianMs = Math.max(this.medianMs, clocks[clocks.length >> 1]);
    return { wallMs: this.wallMs, medianMs: this.medianMs };
  }

  private together(tick: number): boolean {
    const { hosts, machines } = this;
    const stands = ({ up, pausedUntil }: Host): boolean => !up || pausedUntil > this.lookedTick;
    if (hosts.some(stands) || !machines.every((machine) => machine?.seesAll === true)) this.apartTick = tick;
    return tick - this.apartTick >= TOGETHER_MS * TICKS_PER_MS;
  }
}
