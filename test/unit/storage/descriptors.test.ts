/**
 * test/unit/storage/descriptors.test.ts: a process out of descriptors when the log goes on in the next segment: the batch waits until there are some,
 * and nothing is taken for a failure of the disk.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Wal } from "../../../src/storage/wal.js";
import { FakeScheduler } from "../../lib/fake-scheduler.js";
import { openEngine } from "../../lib/open-engine.js";
import { SimDisk } from "../../lib/sim-disk.js";

/** At most so many handles. */
class FewHandles extends SimDisk {
  handlesMax: number = Number.POSITIVE_INFINITY;
  refused = 0;
  override open(...args: Parameters<SimDisk["open"]>): number {
    this.take();
    return super.open(...args);
  }
  override syncDirectory(): void {
    this.take();
    super.syncDirectory();
  }
  private take(): void {
    if (this.openHandles < this.handlesMax) return;
    this.refused++;
    throw Object.assign(new Error("too many open files"), { code: "EMFILE" });
  }
}

for (const mode of ["always", "everysec"] as const)
  for (const more of [0, 1])
    test(`${mode}, with ${more} descriptors left at the end of a segment`, () => {
      const scheduler = new FakeScheduler();
      const disk = new FewHandles(scheduler);
      const engine = openEngine(disk, scheduler, { mode });
      const wal = engine.wal as Wal;
      const value = Buffer.alloc(10_000, "v");
      let count = 0;
      const put = (): void => {
        const key = Buffer.from(`k${count++}`);
        engine.store.put(0, key, 0, key.length, value, 0, value.length, 0, false);
        scheduler.advance(1);
      };
      put();
      scheduler.advance(2000);
      disk.handlesMax = disk.openHandles + more;
      const segments = wal.segments.all.length;
      const handles = disk.openHandles;
      for (let i = 0; i < 20 && disk.refused === 0; i++) put();
      assert.ok(disk.refused > 0);
      assert.is(wal.segments.all.length, segments);
      scheduler.advance(1000);
      assert.is(wal.failure, undefined);
      assert.ok(wal.durableLsn < wal.appendedLsn, "it waits");
      assert.is(disk.openHandles, handles, "none is lost");
      // Two are enough: the old segment's are given back before the directory's is needed.
      disk.handlesMax = handles + 2;
      scheduler.advance(1000);
      assert.is(wal.durableLsn, wal.appendedLsn);
      assert.is(wal.segments.all.length, segments + 1);
      disk.handlesMax = Number.POSITIVE_INFINITY;
      put();
      scheduler.advance(2000);
      const again = openEngine(disk.afterPowerLoss(new FakeScheduler(), 1), new FakeScheduler());
      assert.is(again.store.size(0), count);
    });

test.run();
