/**
 * server/statistics.ts: counters per command and per error, and how long commands take.
 * The clock is read once or twice per read, not per command: the time of a run of short commands is shared out among
 * them evenly. Commands that may be long are timed one by one (see dispatch.ts).
 * Invariants: arrays are indexed by CommandSpec.index; counting allocates nothing.
 */
import type { CommandSpec } from "../commands/spec.js";

/** Upper bounds of the latency histogram double from 1 us on; 32 buckets end above an hour. */
const BUCKETS = 32;
const ERROR_CODES_MAX = 128;

export class Statistics {
  readonly specs: readonly CommandSpec[];
  readonly calls: Float64Array;
  readonly rejected: Float64Array;
  readonly failed: Float64Array;
  readonly usec: Float64Array;
  /** Errors by first word. */
  readonly errors: Map<string, number> = new Map();
  totalErrors = 0;
  totalCalls = 0;
  /** Commands counted since the last attribution, by index; and which indexes those are, the first `touchedCount` of the list. */
  private readonly untimed: Uint32Array;
  private readonly touched: Uint16Array;
  private touchedCount = 0;
  private untimedCount = 0;
  private histograms: (Uint32Array | undefined)[];

  /** @param specs every command and subcommand, at its own index. */
  constructor(specs: readonly CommandSpec[]) {
    this.specs = specs;
    this.calls = new Float64Array(specs.length);
    this.rejected = new Float64Array(specs.length);
    this.failed = new Float64Array(specs.length);
    this.usec = new Float64Array(specs.length);
    this.untimed = new Uint32Array(specs.length);
    this.touched = new Uint16Array(specs.length);
    this.histograms = new Array(specs.length).fill(undefined);
  }

  // HOT: once per command.
  count(index: number): void {
    this.calls[index]++;
    this.totalCalls++;
    if (this.untimed[index]++ === 0) this.touched[this.touchedCount++] = index;
    this.untimedCount++;
  }

  /** A command whose time is told later, by took(). */
  begun(index: number): void {
    this.calls[index]++;
    this.totalCalls++;
  }

  took(index: number, usec: number): void {
    this.usec[index] += usec;
    this.sort(index, bucketOf(usec), 1);
  }

  private sort(index: number, bucket: number, count: number): void {
    (this.histograms[index] ??= new Uint32Array(BUCKETS))[bucket < BUCKETS ? bucket : BUCKETS - 1] += count;
  }

  /** Commands counted since the last attribution. */
  get pending(): number {
    return this.untimedCount;
  }

  /** The command, when it is the only one since the last attribution. */
  onlyPending(): CommandSpec | undefined {
    return this.untimedCount === 1 ? this.specs[this.touched[0]] : undefined;
  }

  // HOT: once per read.
  /** Share `usec` out among the commands counted since the last call. */
  attribute(usec: number): void {
    if (this.untimedCount === 0) return;
    const share = usec / this.untimedCount;
    const bucket = bucketOf(share);
    const { touched, untimed } = this;
    for (let i = 0; i < this.touchedCount; i++) {
      const index = touched[i];
      const count = untimed[index];
      untimed[index] = 0;
      this.usec[index] += share * count;
      this.sort(index, bucket, count);
    }
    // Not an array that is emptied: each time would cost a call into the engine, and growing it again another.
    this.touchedCount = 0;
    this.untimedCount = 0;
  }

  /** Count errors by their code. */
  error(code: string, count: number): void {
    this.totalErrors += count;
    const known = this.errors.get(code);
    // Codes come from our own texts, but scripts or proxies may bring more: the table stays small whatever happens.
    if (known === undefined && this.errors.size >= ERROR_CODES_MAX) return;
    this.errors.set(code, (known ?? 0) + count);
  }

  /** [upper bound in us, calls up to it], cumulative, of a command that was called; empty buckets at the ends left out. */
  histogram(index: number): [usec: number, calls: number][] {
    const buckets = this.histograms[index];
    const rows: [number, number][] = [];
    if (buckets === undefined) return rows;
    let sum = 0;
    for (let i = 0; i < BUCKETS; i++) {
      if (buckets[i] === 0) continue;
      sum += buckets[i];
      rows.push([2 ** i, sum]);
    }
    return rows;
  }

  /** The time that `share` (0..1) of the calls did not exceed, in us, as far as the buckets tell. */
  percentile(index: number, share: number): number {
    const rows = this.histogram(index);
    const total = rows.length === 0 ? 0 : rows[rows.length - 1][1];
    for (const [usec, calls] of rows) if (calls >= total * share) return usec;
    return 0;
  }

  /** CONFIG RESETSTAT. */
  reset(): void {
    for (const counters of [this.calls, this.rejected, this.failed, this.usec]) counters.fill(0);
    this.histograms = new Array(this.specs.length).fill(undefined);
    this.errors.clear();
    this.totalErrors = 0;
    this.totalCalls = 0;
  }
}

function bucketOf(usec: number): number {
  return usec < 1 ? 0 : 32 - Math.clz32(usec);
}

/** Bytes and connections, for INFO stats. */
export class Traffic {
  inBytes = 0;
  outBytes = 0;
  connections = 0;
  rejected = 0;
  outputLimitDisconnections = 0;
  queryLimitDisconnections = 0;
  // Rates, worked out at each tick.
  commandsPerSecond = 0;
  inBytesPerSecond = 0;
  outBytesPerSecond = 0;
  private lastMs = 0;
  private lastCalls = 0;
  private lastIn = 0;
  private lastOut = 0;

  tick(monotonicMs: number, calls: number): void {
    const seconds = (monotonicMs - this.lastMs) / 1000;
    if (seconds <= 0) return;
    // A moving average over about a second and a half, as Redis's 16 samples of 100 ms.
    const weight = Math.min(1, seconds / 1.6);
    this.commandsPerSecond += (Math.max(0, calls - this.lastCalls) / seconds - this.commandsPerSecond) * weight;
    this.inBytesPerSecond += (Math.max(0, this.inBytes - this.lastIn) / seconds - this.inBytesPerSecond) * weight;
    this.outBytesPerSecond += (Math.max(0, this.outBytes - this.lastOut) / seconds - this.outBytesPerSecond) * weight;
    this.lastMs = monotonicMs;
    this.lastCalls = calls;
    this.lastIn = this.inBytes;
    this.lastOut = this.outBytes;
  }

  reset(): void {
    this.inBytes = 0;
    this.outBytes = 0;
    this.connections = 0;
    this.rejected = 0;
    this.outputLimitDisconnections = 0;
    this.queryLimitDisconnections = 0;
    this.lastCalls = 0;
    this.lastIn = 0;
    this.lastOut = 0;
  }
}
