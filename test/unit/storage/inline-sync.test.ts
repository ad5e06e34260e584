/** test/unit/storage/inline-sync.test.ts: when a batch may be synced on the loop, and how long a slow disk keeps it from that. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { viewed } from "../../../src/lib/view.js";
import { InlineSync } from "../../../src/storage/inline-sync.js";
import type { Audience } from "../../../src/storage/log.js";
import type { Wal } from "../../../src/storage/wal.js";
import { FakeScheduler } from "../../lib/fake-scheduler.js";
import { openEngine } from "../../lib/open-engine.js";
import { SimDisk } from "../../lib/sim-disk.js";

const LONE: Audience = { waiters: 1, onlyWriters: false };
const WRITERS: Audience = { waiters: 50, onlyWriters: true };
const OTHERS: Audience = { waiters: 50, onlyWriters: false };

test("for one who is alone, and for many when nobody else is about", () => {
  const inline = new InlineSync();
  assert.ok(inline.allowed(LONE));
  assert.ok(inline.allowed(WRITERS));
  assert.not(inline.allowed(OTHERS));
});

/** Flushes until it is allowed again. */
function detour(inline: InlineSync): number {
  for (let flushes = 0; flushes < 5000; flushes++) if (inline.allowed(WRITERS)) return flushes;
  throw new Error("never again");
}

test("a slow sync sends twice as many flushes as the last one the other way, 1024 at most; each fast one makes that one less, down to 8", () => {
  const inline = new InlineSync();
  const detours: number[] = [];
  for (let i = 0; i < 9; i++) {
    inline.took(0.51);
    detours.push(detour(inline));
  }
  assert.equal(detours, [8, 16, 32, 64, 128, 256, 512, 1024, 1024]);
  inline.took(0.5);
  assert.is(detour(inline), 0);
  inline.took(20);
  assert.is(detour(inline), 1023);
  for (let i = 0; i < 2000; i++) inline.took(0.1);
  inline.took(20);
  assert.is(detour(inline), 8);
});

test("a member's may take 2 ms", () => {
  const inline = new InlineSync(true);
  inline.took(2);
  assert.is(detour(inline), 0);
  inline.took(2.1);
  assert.is(detour(inline), 8);
});

test("who is durable is told so before the loop syncs for others", () => {
  const scheduler = new FakeScheduler();
  const disk = new SimDisk(scheduler);
  const engine = openEngine(disk, scheduler);
  const wal = engine.wal as Wal;
  const key = viewed(Buffer.from("key"));
  const put = (): void => void engine.store.put(0, key, 0, key.length, key, 0, key.length, 0, false);
  scheduler.advance(100);
  let told = wal.durableLsn;
  wal.onDurable = () => {
    told = wal.durableLsn;
  };
  const write = disk.write.bind(disk);
  let here = 0;
  disk.write = (...args) => {
    here++;
    assert.is(wal.durableLsn, told, "they wait for a sync that is not theirs");
    write(...args);
  };
  disk.latencyMs = () => 1;
  wal.audience = { waiters: 4, onlyWriters: false };
  put();
  scheduler.advance(0);
  wal.audience = { waiters: 4, onlyWriters: true };
  put();
  scheduler.advance(0.5);
  assert.is(here, 0);
  scheduler.advance(5);
  put();
  scheduler.advance(5);
  assert.is(here, 1, "and then it may");
  assert.is(told, wal.appendedLsn);
});

test.run();
