import * as assert from "uvu/assert";
import type { Dot } from "../../src/core/clock/dot.js";
import { VersionVector } from "../../src/core/clock/version-vector.js";
import type { RegisterState } from "../../src/core/register/state.js";
import type { MemoryDisk } from "../../src/platform/memory-disk.js";
import type { Engine, EngineOptions } from "../../src/storage/engine.js";
import type { PageEntry, Registers } from "../../src/storage/registers.js";
import { encodeState, nameOf, type Value } from "../../src/storage/state-record.js";
import type { FakeScheduler } from "./fake-scheduler.js";
import { openEngine } from "./open-engine.js";

export function open(disk: MemoryDisk, scheduler: FakeScheduler, more: Partial<EngineOptions> = {}): Engine {
  return openEngine(disk, scheduler, { register: true, partitions: 4, ...more });
}

export const name = (key: string, db = 0): string => nameOf(db, Buffer.from(key), 0, Buffer.byteLength(key));
export const dot = (hlc: number, node = 0, epoch = 0): Dot => ({ epoch, hlc, node });

export function stateOf(
  ballot: Dot,
  value: string | Buffer | undefined,
  more: Partial<RegisterState<Value>> = {},
): RegisterState<Value> {
  const bytes = typeof value === "string" ? Buffer.from(value) : value;
  return {
    value: bytes === undefined ? undefined : { type: 0, raw: false, bytes },
    expireAt: 0,
    vv: VersionVector.of([ballot]),
    cut: 0,
    ...more,
  };
}

export function accept(
  registers: Registers,
  key: string,
  ballot: Dot,
  value: string | Buffer | undefined,
  more: Partial<RegisterState<Value>> = {},
  chosen = false,
): number {
  return registers.accept(encodeState(name(key), ballot, stateOf(ballot, value, more)), chosen);
}

export function heldValue(registers: Registers, key: string): string | undefined {
  return registers.held(name(key))?.state.value?.bytes.toString();
}

export function everything(registers: Registers): PageEntry[] {
  const found: PageEntry[] = [];
  for (let db = 0; db < 16; db++) {
    for (let cursor = 0, first = true; first || cursor !== 0; first = false) {
      const { entries, next } = registers.page(db, cursor, 7);
      if (next !== 0) assert.ok(entries.length >= 7);
      for (const entry of entries) {
        assert.ok(entry.position >= cursor && (next === 0 || entry.position < next), "outside of its page");
        found.push(entry);
      }
      cursor = next;
    }
  }
  return found;
}
