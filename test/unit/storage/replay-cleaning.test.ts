/**
 * test/unit/storage/replay-cleaning.test.ts: a start takes no more memory than the node did: what the log overwrites is cleaned up while it is read.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Random } from "../../../src/lib/random.js";
import { viewed } from "../../../src/lib/view.js";
import { Engine, type EngineOptions } from "../../../src/storage/engine.js";
import { FakeScheduler } from "../../lib/fake-scheduler.js";
import { engineOptions, openEngine } from "../../lib/open-engine.js";
import { accept, dot } from "../../lib/registers.js";
import { SimDisk } from "../../lib/sim-disk.js";

const KEYS = 12_000;
const WRITES = 6 * KEYS;
const SPARE_BYTES = 6 << 20;

/** Keys overwritten in any order, each several times, with values of changing lengths; no snapshot. */
function overwritten(register: boolean): { disk: SimDisk; options: Partial<EngineOptions> } {
  const options = { register, segmentBytes: 4 << 20, snapshotLogBytes: () => Number.POSITIVE_INFINITY };
  const scheduler = new FakeScheduler();
  const disk = new SimDisk(scheduler);
  const engine = openEngine(disk, scheduler, options);
  const random = new Random(5);
  for (let i = 0; i < WRITES; i++) {
    const key = viewed(Buffer.from(`k${i < KEYS ? i : random.below(KEYS)}`));
    const value = viewed(Buffer.alloc(300 + (i % 7) * 20, i));
    if (register) accept(engine.registers, key.toString(), dot(1000 + i), value);
    else engine.store.put(0, key, 0, key.length, value, 0, value.length, 0, false);
    if (i % 1000 === 0) scheduler.advance(1);
  }
  scheduler.advance(10);
  engine.stop(() => {});
  return { disk, options };
}

for (const register of [false, true])
  for (const sliceMs of register ? [0] : [0, 1e9])
    test(`${register ? "a member" : "a node alone"} starts with little garbage, in slices of ${sliceMs} ms`, () => {
      const { disk, options } = overwritten(register);
      const scheduler = new FakeScheduler();
      const engine = new Engine(disk, scheduler, engineOptions(options));
      const { table } = engine.store;
      const recovery = engine.recovery;
      assert.ok(recovery);
      const step = recovery.step.bind(recovery);
      let worst = 0;
      recovery.step = () => {
        const more = step();
        worst = Math.max(worst, table.arena.usedBytes - table.arena.liveBytes * 1.3);
        return more;
      };
      let over = false;
      engine.load(sliceMs, (error) => {
        assert.is(error, undefined);
        over = true;
      });
      for (let i = 0; i < 100_000 && !over; i++) scheduler.endTurn();
      assert.ok(over);
      assert.is(table.keys[0], KEYS);
      assert.ok(table.arena.liveBytes > KEYS * 300);
      assert.ok(worst < SPARE_BYTES, `${Math.round(worst / 1024)} KiB beyond 1.3 of what lives`);
    });

test.run();
