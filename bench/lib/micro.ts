/**
 * bench/lib/micro.ts: time small pieces of code with benchmark.js, in a way that cannot lie about dead code.
 * Invariants: a case returns a number made from everything it did; before it is timed it is run twice and must return the number
 * that was expected, or the same as the other cases of its group; what timed runs return is folded into the hash printed.
 */
import Benchmark from "benchmark";

export interface Case {
  readonly name: string;
  /** Operations in one call of run(), for nanoseconds per operation. */
  readonly operations: number;
  /** The work. Returns a checksum of its results. */
  run(): number;
}

export interface Group {
  /** The file measured, as in src/. */
  readonly name: string;
  /** Cases that do the same and must return the same checksum, kvorum's first. */
  readonly cases: readonly Case[];
}

export interface MicroResult {
  readonly group: string;
  readonly name: string;
  readonly nanoseconds: number;
  /** Relative margin of error, percent. */
  readonly marginPercent: number;
  readonly samples: number;
  readonly checksum: number;
}

/** Fold a number into a checksum of 32 bits. */
export function fold(checksum: number, value: number): number {
  return (Math.imul(checksum, 31) + value) | 0;
}

const TINY = { maxTime: 0.02, minTime: 0.005, minSamples: 2 } as const;
const FULL = { maxTime: 1, minSamples: 20 } as const;

/** @throws when a case does not return what it must. */
function checkGroup(group: Group): number {
  const expected = group.cases[0]?.run() ?? 0;
  if (expected === 0) throw new Error(`${group.name}: a checksum of 0 shows nothing`);
  for (const { name, run } of group.cases) {
    for (let again = 0; again < 2; again++) {
      const found = run();
      if (found !== expected) throw new Error(`${group.name}: ${name} returns ${found}, not ${expected}`);
    }
  }
  return expected;
}

/** Check, then time, every case of a group. */
export function runGroup(group: Group, tiny: boolean): MicroResult[] {
  const checksum = checkGroup(group);
  return group.cases.map(({ name, operations, run }) => {
    let wrong = 0;
    const benchmark = new Benchmark({
      name,
      fn: () => {
        if (run() !== checksum) wrong++;
      },
      ...(tiny ? TINY : FULL),
    });
    benchmark.run();
    // benchmark.js keeps an error to itself.
    if (benchmark.error !== undefined) throw new Error(`${group.name}: ${name}: ${String(benchmark.error)}`);
    if (wrong > 0) throw new Error(`${group.name}: ${name} returned something else ${wrong} times while timed`);
    const { mean, rme, sample } = benchmark.stats as Benchmark.Stats;
    return {
      group: group.name,
      name,
      nanoseconds: (mean * 1e9) / operations,
      marginPercent: rme,
      samples: sample.length,
      checksum: checksum >>> 0,
    };
  });
}

/** Print results, each group under its name and checksum, its cases against the first. */
export function printResults(results: readonly MicroResult[]): void {
  let group = "";
  let first = 0;
  for (const result of results) {
    if (result.group !== group) {
      group = result.group;
      first = result.nanoseconds;
      console.log(`\n${group}  (checksum ${result.checksum.toString(16).padStart(8, "0")})`);
    }
    const times = result.nanoseconds === first ? "" : `  x ${(result.nanoseconds / first).toFixed(2)}`;
    const figure = result.nanoseconds.toFixed(1).padStart(9);
    console.log(`  ${result.name.padEnd(44)} ${figure} ns  +-${result.marginPercent.toFixed(1)} %${times}`);
  }
}
