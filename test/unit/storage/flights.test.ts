/**
 * test/unit/storage/flights.test.ts: when another batch may set out while some are under way, on disks of three kinds.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Random } from "../../../src/lib/random.js";
import { type Flight, Flights } from "../../../src/storage/flights.js";
import { BatchBuilder } from "../../../src/storage/wal-format.js";

const BATCH = new BatchBuilder(4096);

/** When a batch that sets out now will have landed. */
type DiskKind = (nowMs: number, random: Random) => number;

/** There is always something to write. @returns batches begun, and for how many of them others were under way. */
function drive(landsAt: DiskKind, ms: number): { begun: number; together: number } {
  const flights = new Flights();
  const random = new Random(3);
  let underWay: { flight: Flight; endMs: number }[] = [];
  let begun = 0;
  let together = 0;
  for (let nowMs = 0; nowMs < ms; nowMs += 0.05) {
    for (const { flight, endMs } of underWay) if (endMs <= nowMs) flights.land(flight, nowMs);
    underWay = underWay.filter(({ endMs }) => endMs > nowMs);
    while (flights.takeLanded() !== undefined);
    if (flights.waitMs(nowMs) > 0) continue;
    if (flights.count > 0) together++;
    begun++;
    underWay.push({ flight: flights.begin(BATCH, 512, begun, nowMs), endMs: landsAt(nowMs, random) });
  }
  return { begun, together };
}

test("they are taken in the order they were begun", () => {
  const flights = new Flights();
  const [first, second, third] = [1, 2, 3].map((lsn) => flights.begin(BATCH, 512, lsn, lsn));
  flights.land(third, 5);
  flights.land(second, 6);
  assert.is(flights.takeLanded(), undefined);
  assert.is(flights.count, 3);
  flights.land(first, 7);
  assert.equal(
    [1, 2, 3].map(() => flights.takeLanded()?.lastLsn),
    [1, 2, 3],
  );
  assert.is(flights.takeLanded(), undefined);
  assert.is(flights.count, 0);
});

test("after a failure none is acknowledged, and those that landed behind a hole are under way no more", () => {
  const flights = new Flights();
  const [first, second, third] = [1, 2, 3].map((lsn) => flights.begin(BATCH, 512, lsn, lsn));
  flights.land(second, 5);
  flights.drop(third);
  assert.is(flights.count, 1);
  flights.drop(first);
  assert.is(flights.count, 0);
  assert.is(flights.takeLanded(), undefined);
});

test("a fast disk gets one at a time", () => {
  const { together } = drive((nowMs) => nowMs + 0.3, 1000);
  assert.is(together, 0);
});

test("a slow disk gets four at a time, at even distances", () => {
  const { begun } = drive((nowMs, random) => nowMs + 3 + random.below(100) / 100, 1000);
  assert.ok(begun > 900 && begun < 1350, `${begun} in a second, 280 would be one at a time`);
});

test("a disk that does one after the other is asked for one at a time, but for a try now and then", () => {
  let freeMs = 0;
  const { begun, together } = drive((nowMs) => {
    freeMs = Math.max(freeMs, nowMs) + 3;
    return freeMs;
  }, 20_000);
  assert.ok(together > 10 && together < begun * 0.05, `${together} of ${begun} in company`);
});

test("a disk that was slow and is fast now gets one at a time again", () => {
  const fastFromMs = 200;
  const before = drive((nowMs) => nowMs + 4, fastFromMs);
  const all = drive((nowMs) => nowMs + (nowMs < fastFromMs ? 4 : 0.2), 1000);
  assert.ok(all.begun - before.begun > 2000, "few were begun on the fast disk");
  assert.ok(all.together - before.together < 50, `${all.together - before.together} in company`);
});

test.run();
