/**
 * test/lib/open-engine.ts: a small engine for storage tests: few partitions, small segments, everything fixed.
 */
import type { Disk } from "../../src/ports/disk.js";
import { Engine, type EngineOptions } from "../../src/storage/engine.js";
import type { FakeScheduler } from "./fake-scheduler.js";

const TURNS_MAX = 10_000;

export function engineOptions(more: Partial<EngineOptions> = {}): EngineOptions {
  return {
    mode: "always",
    partitions: 1,
    segmentBytes: 64 * 1024,
    snapshotLogBytes: () => 1 << 24,
    newNode: () => ({ node: "0".repeat(40), hashSecret: [3, 4] }),
    seed: 1,
    ...more,
  };
}

/** @throws what loading failed with. */
export function openEngine(disk: Disk, scheduler: FakeScheduler, more: Partial<EngineOptions> = {}): Engine {
  const engine = new Engine(disk, scheduler, engineOptions(more));
  let failure: Error | undefined | null = null;
  engine.load(1e9, (error) => {
    failure = error;
  });
  for (let i = 0; i < TURNS_MAX && failure === null; i++) scheduler.endTurn();
  if (failure === null) throw new Error("not loaded");
  if (failure !== undefined) throw failure;
  return engine;
}

/** Take a snapshot, and wait for it. @throws what it failed with. */
export function snapshotTaken(engine: Engine, scheduler: FakeScheduler): void {
  let ended = false;
  engine.snapshot((error) => {
    if (error !== undefined) throw error;
    ended = true;
  });
  for (let i = 0; i < 500 && !ended; i++) scheduler.advance(2);
  if (!ended) throw new Error("the snapshot does not end");
}
