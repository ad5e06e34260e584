/**
 * storage/replica-storage.ts: the storage as a member of a cluster needs it: what its replica holds, and what it ships to peers. It joins
 * registers and log, and adds nothing.
 */
import type { Dot } from "../core/clock/dot.js";
import type { Held } from "../core/register/state.js";
import type { Page, Registers } from "./registers.js";
import type { Value } from "./state-record.js";

export class ReplicaStorage {
  private readonly registers: Registers;

  constructor(registers: Registers) {
    this.registers = registers;
  }

  get recoveredCeiling(): number {
    return this.registers.recoveredCeiling;
  }

  get appendedLsn(): number {
    return this.registers.appendedLsn;
  }

  get durableLsn(): number {
    return this.registers.durableLsn;
  }

  held(name: string): Held<Value> | undefined {
    return this.registers.held(name);
  }

  accept(record: Buffer, chosen: boolean): number {
    return this.registers.accept(record, chosen);
  }

  mark(name: string, ballot: Dot): void {
    this.registers.mark(name, ballot);
  }

  logCeiling(hlc: number): number {
    return this.registers.logCeiling(hlc);
  }

  page(db: number, cursor: number, count: number): Page {
    return this.registers.page(db, cursor, count);
  }

  /** The log is not read: what a peer misses comes from the table. */
  reachesBackTo(lsn: number): boolean {
    return lsn >= this.registers.durableLsn;
  }

  readLog(): number {
    return this.registers.durableLsn;
  }
}
