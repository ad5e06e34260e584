/**
 * core/clock/ceiling.ts: an hlc value that is logged ahead of use, so that a restart knows what the process before may have issued or
 * promised, without a sync for each.
 *
 * Invariants: no dot is issued and no ballot promised (no message with either leaves this node) before a ceiling at or above its hlc is durable.
 * After a restart every ballot at or below the recovered ceiling is refused (`restartFloor`), and the clock goes on above it. Hence
 * no dot is issued twice and no promise is forgotten.
 * Durable: the ceiling records of the log. Volatile: which of them are known to be synced.
 *
 *   event              what happens
 *   gate(hlc)          the log position that a message with this hlc waits for; UNLOGGED: log ahead(hlc) first
 *   appended(v, lsn)   v was appended to the log at lsn
 *   durable(lsn)       the log is durable up to lsn
 *   renewal(hlc)       about every second, within a batch that is written anyway: the value to log, or 0
 *
 * Rejected: remembering a number of the boot only. Dots are unique then, but a promise made before the crash is forgotten and an
 * older ballot accepted after it. Price: an idle node lets its ceiling lapse; its next promise waits for one write of the log.
 */
import { assert } from "../../lib/assert.js";
import { COUNTS_PER_MS } from "./hlc.js";

const LEAD_HLC: number = 2000 * COUNTS_PER_MS;
/** No logged ceiling is high enough. */
export const UNLOGGED = -1;

export class Ceiling {
  /** Ballots at or below it are refused: the process before may have promised above them. */
  readonly restartFloor: number;
  private readonly leadHlc: number;
  /** Known to be durable. */
  private synced: number;
  /** The highest one in the log, and where it lies. Between the two nothing else is remembered: a message waits for the later. */
  private logged: number;
  private loggedLsn = 0;

  /** @param recovered the highest ceiling found in the log, 0 at the first start. @param leadHlc how far ahead to log. */
  constructor(recovered: number, leadHlc: number = LEAD_HLC) {
    this.restartFloor = recovered;
    this.synced = recovered;
    this.logged = recovered;
    this.leadHlc = leadHlc;
  }

  /** The highest one that is known to be durable. */
  get durableHlc(): number {
    return this.synced;
  }

  /** @returns the log position to wait for, 0 for none, or UNLOGGED. */
  gate(hlc: number): number {
    if (hlc <= this.synced) return 0;
    return hlc <= this.logged ? this.loggedLsn : UNLOGGED;
  }

  /** The ceiling to log when gate(hlc) said UNLOGGED. */
  ahead(hlc: number): number {
    return hlc + this.leadHlc;
  }

  /** @param hlc the clock's value now. @returns the ceiling to log when less than half of the lead is left, else 0. */
  renewal(hlc: number): number {
    return this.logged - hlc < this.leadHlc / 2 ? hlc + this.leadHlc : 0;
  }

  appended(value: number, lsn: number): void {
    assert(value > this.logged, "a ceiling only rises", value, this.logged);
    this.logged = value;
    this.loggedLsn = lsn;
  }

  durable(lsn: number): void {
    if (this.loggedLsn === 0 || lsn < this.loggedLsn) return;
    this.synced = this.logged;
    this.loggedLsn = 0;
  }
}
