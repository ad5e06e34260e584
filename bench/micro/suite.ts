/**
 * bench/micro/suite.ts: one shape for all micro benches: each case is checked before it is timed, what it returns is consumed,
 * and a hash of the results is printed, so that nothing measured can be dead code.
 */
import Benchmark from "benchmark";

export interface Case {
  readonly name: string;
  /** Does `operations` operations and returns a number that depends on all of them. */
  readonly run: () => number;
  /** What the first run has to return; checked before timing. */
  readonly expect?: number;
}

/** @param operations per call of run. */
export function runCases(operations: number, cases: readonly Case[]): void {
  const tiny = process.env["KVORUM_BENCH_TINY"] !== undefined;
  let consumed = 0;
  const suite = new Benchmark.Suite();
  for (const { name, run, expect } of cases) {
    const first = run();
    if (expect !== undefined && first !== expect) throw new Error(`${name}: ${first} instead of ${expect}`);
    suite.add(
      name,
      () => {
        consumed = (consumed + run()) % 1_000_000_007;
      },
      tiny ? { maxTime: 0.05, minSamples: 1 } : {},
    );
  }
  suite
    .on("cycle", ({ target }: { target: Benchmark }) => {
      const nanoseconds = ((target.stats?.mean ?? 0) * 1e9) / operations;
      const spread = (target.stats?.rme ?? 0).toFixed(1);
      console.log(`${String(target.name).padEnd(32)} ${nanoseconds.toFixed(1).padStart(9)} ns  +-${spread}%`);
    })
    .on("complete", () => console.log(`results ${consumed}`))
    .run();
}
