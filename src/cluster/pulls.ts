/**
 * cluster/pulls.ts: keys of which this replica heard that a later state was chosen than it holds: an ACCEPT was refused here, or did not
 * arrive. Such a key is read, as a client's GET would read it, and what is found is learned: no single peer is believed.
 *
 * What catch-up brought and was refused here may have been chosen or not. The read that goes ahead of it may find neither that state nor a later
 * one (a quorum without it): then it is not known to be chosen, but may become it. An identity round settles that, and this replica
 * accepts the state of the round.
 *
 * Invariants: a key waits WAIT_MS first, since the state itself may still be on its way (one that was refused is not); at most WANTED_MAX keys
 * wait, those beyond are counted and left to the next reader; at most UNDER_WAY_MAX are read at a time, so clients' works go first. A key is
 * done when this replica holds what it lacked: that is looked at WAIT_MS after its answer, since what is found is learned behind it.
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
  /** It was read, and the state was not found. */
  readonly unfound: boolean;
}

export interface PullsParts {
  readonly scheduler: Scheduler;
  readonly held: (name: string) => Held<Value> | undefined;
  readonly read: (work: Work, done: (answer: Answer) => void) => void;
  /** By this node's own proposer. */
  readonly propose: (work: Work, done: (answer: Answer) => void) => void;
}

export class Pulls {
  /** Keys read because a later state was missing here; keys that found no room. */
  pulled = 0;
  dropped = 0;
  private readonly parts: PullsParts;
  /** In the order in which they come due. */
  private readonly wanted: Map<string, Wanted> = new Map();
  /** Due at once. A key is in one of the two. */
  private readonly urgent: Map<string, Wanted> = new Map();
  private underWay = 0;
  private timer: Cancel | undefined;
  private armedMs = 0;
  private stopped = false;

  constructor(parts: PullsParts) {
    this.parts = parts;
  }

  /** Keys that wait or are being read. */
  get size(): number {
    return this.wanted.size + this.urgent.size + this.underWay;
  }

  /** `ballot` of the key is chosen. Does this replica lack it? O(1). */
  heard(name: string, ballot: Dot): void {
    if (!this.lacks(name, ballot)) return;
    const known = this.wanted.get(name) ?? this.urgent.get(name);
    if (known !== undefined && compareDots(known.ballot, ballot) >= 0) return;
    this.want(name, ballot, 0, false);
  }

  /** A state that was shipped here was refused: nothing more of it is on its way. O(1). */
  refused(name: string, ballot: Dot): void {
    if (this.stopped || !this.lacks(name, ballot) || this.urgent.has(name)) return;
    const known = this.wanted.get(name);
    const isKnown = known !== undefined && compareDots(known.ballot, ballot) >= 0;
    // One that has been tried has its turn.
    if ((isKnown && known.tries > 0) || this.full(name)) return;
    this.wanted.delete(name);
    const dueMs = this.parts.scheduler.monotonicMs();
    this.urgent.set(name, { ballot: isKnown ? known.ballot : ballot, dueMs, tries: 0, unfound: false });
    this.arm(0);
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

  private full(name: string): boolean {
    if (this.wanted.size + this.urgent.size < WANTED_MAX || this.wanted.has(name)) return false;
    this.dropped++;
    return true;
  }

  private want(name: string, ballot: Dot, tries: number, unfound: boolean): void {
    if (this.stopped || this.full(name)) return;
    // Deleted first: the order of the map is that of the times.
    this.wanted.delete(name);
    this.urgent.delete(name);
    this.wanted.set(name, { ballot, dueMs: this.parts.scheduler.monotonicMs() + WAIT_MS, tries, unfound });
    this.arm(WAIT_MS);
  }

  private arm(ms: number): void {
    const { scheduler } = this.parts;
    const dueMs = scheduler.monotonicMs() + ms;
    if (this.stopped || (this.timer !== undefined && this.armedMs <= dueMs)) return;
    this.timer?.();
    this.armedMs = dueMs;
    this.timer = scheduler.after(ms, () => {
      this.timer = undefined;
      this.run();
    });
  }

  private run(): void {
    const nowMs = this.parts.scheduler.monotonicMs();
    for (const waiting of [this.urgent, this.wanted]) {
      for (const [name, wanted] of waiting) {
        // One that ends goes on from here.
        if (this.underWay >= UNDER_WAY_MAX) return;
        if (wanted.dueMs > nowMs) return this.arm(wanted.dueMs - nowMs);
        waiting.delete(name);
        if (this.lacks(name, wanted.ballot)) this.pull(name, wanted);
      }
    }
  }

  private pull(name: string, { ballot, tries, unfound }: Wanted): void {
    if (tries >= TRIES_MAX) return;
    this.underWay++;
    this.pulled++;
    const { read, propose } = this.parts;
    const ask = unfound ? propose : read;
    ask(lookAt(name), (answer) => {
      this.underWay--;
      const found = answer.applied !== "yes" || isUpTo(answer.ballot, ballot);
      // Whoever asked for it meanwhile asked for something later.
      const known = this.wanted.has(name) || this.urgent.has(name);
      if (!known && this.lacks(name, ballot)) this.want(name, ballot, tries + 1, unfound || !found);
      if (this.size > this.underWay) this.arm(0);
    });
  }

  stop(): void {
    this.stopped = true;
    this.timer?.();
  }
}

function isUpTo(found: Dot | undefined, ballot: Dot): boolean {
  return found !== undefined && compareDots(found, ballot) >= 0;
}

/** Changes nothing: the reader teaches those that lag. */
function lookAt(name: string): Work {
  const nothing = { result: NOTHING, next: undefined };
  return { name, writes: false, apply: () => nothing, encode: () => NOTHING };
}
