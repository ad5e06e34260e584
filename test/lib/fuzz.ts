/**
 * test/lib/fuzz.ts: how the files of test/fuzz run: a seed that is printed and can be given, so many runs, and a time that is
 * never passed. KVORUM_SEED=n replays; KVORUM_FUZZ_SECONDS=n goes on for so long with each property.
 */
import * as fc from "fast-check";

export const SEED: number = Number(process.env["KVORUM_SEED"] ?? Date.now() % 1_000_000);
const SECONDS = Number(process.env["KVORUM_FUZZ_SECONDS"] ?? 0);
const MS_MAX = 1000;
/** One in so many runs is done however long it takes: what a test wants to have seen must not hang on how fast the machine is. */
const SURE_IN = 4;

console.log(`KVORUM_SEED=${SEED}`);

/** Check a property a quarter of `runs` times, then the rest for at most a second. @throws what fast-check says, made small. */
export function fuzz<T>(property: fc.IProperty<T>, runs: number): void {
  for (const options of passes<T>(runs)) fc.assert(property, options);
}

function passes<T>(runs: number): fc.Parameters<T>[] {
  const common = { seed: SEED, markInterruptAsFailure: false, includeErrorInReport: true };
  if (SECONDS > 0) return [{ ...common, numRuns: Number.MAX_SAFE_INTEGER, interruptAfterTimeLimit: SECONDS * 1000 }];
  const sure = Math.ceil(runs / SURE_IN);
  return [
    { ...common, numRuns: sure },
    { ...common, seed: SEED + 1, numRuns: Math.max(1, runs - sure), interruptAfterTimeLimit: MS_MAX },
  ];
}

/** As fuzz, for a property that awaits something. The run that the end of the time fell into is over when this returns. */
export async function fuzzAsync<T>(property: fc.IAsyncProperty<T>, runs: number): Promise<void> {
  const run = property.run.bind(property);
  let last: ReturnType<typeof run> = Promise.resolve(null);
  property.run = (value) => {
    last = run(value);
    return last;
  };
  for (const options of passes<T>(runs)) await fc.assert(property, options);
  const outcome = await last;
  if (outcome !== null && "error" in outcome) throw outcome.error;
}

/** A change to bytes. The place is taken modulo the length; `amount` is a byte or a number of bytes. */
export interface Change {
  readonly kind: "set" | "flip" | "zero" | "insert" | "remove" | "cut";
  readonly place: number;
  readonly amount: number;
}

export const change: fc.Arbitrary<Change> = fc.oneof(
  fc.record({ kind: fc.constant("set"), place: fc.nat(), amount: fc.nat(255) }),
  fc.record({ kind: fc.constant("flip"), place: fc.nat(), amount: fc.nat(7).map((bit) => 1 << bit) }),
  fc.record({ kind: fc.constantFrom("zero", "insert", "remove", "cut"), place: fc.nat(), amount: fc.nat(40) }),
);

/** A changed copy. "cut" takes off everything from its place on. */
export function changed(bytes: Buffer, changes: readonly Change[]): Buffer {
  let copy: Buffer = Buffer.from(bytes);
  for (const { kind, place, amount } of changes) {
    if (copy.length === 0) break;
    const at = place % copy.length;
    const end = Math.min(copy.length, at + amount);
    if (kind === "set") copy[at] = amount;
    else if (kind === "flip") copy[at] ^= amount;
    else if (kind === "zero") copy.fill(0, at, end);
    else if (kind === "cut") copy = copy.subarray(0, at);
    else if (kind === "remove") copy = Buffer.concat([copy.subarray(0, at), copy.subarray(end)]);
    else copy = Buffer.concat([copy.subarray(0, at), Buffer.alloc(amount, 0xa5), copy.subarray(at)]);
  }
  return copy;
}
