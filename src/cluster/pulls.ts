/**
 * cluster/pulls.ts: keys of which this replica heard that a later state was chosen than it holds: an ACCEPT was refused here, or did not
 * arrive. Such a key is read, as a client's GET would read it, and what is found is learned: no single peer is believed.
 *
 * Invariants: a key waits WAIT_MS first, since the state itself may still be on its way; at most WANTED_MAX keys wait, those beyond are
 * counted and left to the next reader; at most UNDER_WAY_MAX are read at a time, so clients' works go first.
 * Volatile: after a restart it is catch-up that brings what is missing.
 */
import { compareDots, type Dot } from "../core/clock/dot.js";
import type { Request } from "../core/register/messages.js";
import type { Held } from "../core/register/state.js";
import type { Cancel, Scheduler } from "../ports/scheduler.js";
import type { Value } from "../storage/state-record.js";
import type { Answer, Work } from "./work.js";

const WAIT_MS = 500;
const WANTED_MAX = 65_536;
const UNDER_WAY_MAX = 32;
/** A read that did not get through is tried again; a peer may be down for long. */
const TRIES_MAX = 5;
const NOTHING: Buffer = Buffer.alloc(0);

interface Wanted {
  readonly ballot: Dot;
  readonly dueMs: number;
  readonly tries: number;
}

export interface PullsParts {
  readonly scheduler: Scheduler;
  readonly held: (name: string) => Held<Value> | undefined;
  readonly read: (work: Work, done: (answer: Answer) => void) => void;
}

export class Pulls {
  /** Keys read because a later state was missing here; keys that found no room. */
  pulled = 0;
  dropped = 0;
  private readonly parts: PullsParts;
  /** In the order in which they come due. */
  private readonly wanted: Map<string, Wanted> = new Map();
  private underWay = 0;
  private timer: Cancel | undefined;
  private stopped = false;

  constructor(parts: PullsParts) {
    this.parts = parts;
  }

  /** Keys that wait or are being read. */
  get size(): number {
    return this.wanted.size + this.underWay;
  }

  /** `ballot` of the key is chosen. Does this replica lack it? O(1). */
  heard(name: string, ballot: Dot): void {
    if (!this.lacks(name, ballot)) return;
    const known = this.wanted.get(name);
    if (known !== undefined && compareDots(known.ballot, ballot) >= 0) return;
    this.want(name, ballot, 0);
  }

  /**
   * This node's own replica was told something that has no answer. A ballot of this node may be chosen without it: it had promised more.
   * @param marked it holds that very ballot.
   */
  told(message: Request<Value>, marked: boolean): void {
    if (message.type === "chosen" && !marked) this.heard(message.key, message.ballot);
  }

  private lacks(name: string, ballot: Dot): boolean {
    const held = this.parts.held(name);
    return held === undefined || compareDots(held.ballot, ballot) < 0;
  }

  private want(name: string, ballot: Dot, tries: number): void {
    if (this.stopped || (this.wanted.size >= WANTED_MAX && !this.wanted.has(name))) {
      this.dropped++;
      return;
    }
    // Deleted first: the order of the map is that of the times.
    this.wanted.delete(name);
    this.wanted.set(name, { ballot, dueMs: this.parts.scheduler.monotonicMs() + WAIT_MS, tries });
    this.arm(WAIT_MS);
  }

  private arm(ms: number): void {
    if (this.stopped) return;
    this.timer ??= this.parts.scheduler.after(ms, () => {
      this.timer = undefined;
      this.run();
    });
  }

  private run(): void {
    const nowMs = this.parts.scheduler.monotonicMs();
    for (const [name, { ballot, dueMs, tries }] of this.wanted) {
      // One that ends goes on from here.
      if (this.underWay >= UNDER_WAY_MAX) return;
      if (dueMs > nowMs) return this.arm(dueMs - nowMs);
      this.wanted.delete(name);
      if (this.lacks(name, ballot)) this.pull(name, ballot, tries);
    }
  }

  private pull(name: string, ballot: Dot, tries: number): void {
    this.underWay++;
    this.pulled++;
    this.parts.read(lookAt(name), (answer) => {
      this.underWay--;
      if (answer.applied !== "yes" && tries + 1 < TRIES_MAX) this.want(name, ballot, tries + 1);
      if (this.wanted.size > 0) this.arm(0);
    });
  }

  stop(): void {
    this.stopped = true;
    this.timer?.();
  }
}

/** Changes nothing: the reader teaches those that lag. */
function lookAt(name: string): Work {
  const nothing = { result: NOTHING, next: undefined };
  return { name, writes: false, apply: () => nothing, encode: () => NOTHING };
}
