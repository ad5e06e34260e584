/**
 * core/register/promises.ts: the promises of a node, for all keys. Only those that say more than the accepted state does: most keys have none.
 * Volatile: a crash forgets them all, the recovered ceiling stands for them (core/clock/ceiling.ts).
 * Invariants: at most `countMax` promises are kept; the oldest is dropped for a new one, and then `evictFloor` is at or above it, so no
 * promise is ever forgotten while the process lives.
 * Price: a raised evictFloor binds every key, so owners of other keys lose their fast path once. It rises only when more keys than
 * `countMax` are between a promise and its acceptance.
 */
import { type Dot, NO_DOT } from "../clock/dot.js";
import type { AcceptorRules } from "./acceptor-rules.js";

export class Promises {
  evictFloor: Dot = NO_DOT;
  private readonly byKey = new Map<string, Dot>();
  private readonly countMax: number;
  private readonly rules: AcceptorRules;

  constructor(countMax: number, rules: AcceptorRules) {
    this.countMax = countMax;
    this.rules = rules;
  }

  get(key: string): Dot | undefined {
    // Where no key is between a promise and its acceptance there is none at all: most of the time.
    return this.byKey.size === 0 ? undefined : this.byKey.get(key);
  }

  /** @param ballot undefined: nothing beyond the accepted state is promised any more. */
  set(key: string, ballot: Dot | undefined): void {
    // Deleted first, so that the order of insertion is the order of the promises.
    if (this.byKey.size > 0) this.byKey.delete(key);
    if (ballot === undefined) return;
    this.byKey.set(key, ballot);
    if (this.byKey.size <= this.countMax) return;
    for (const [oldest, dropped] of this.byKey) {
      this.evictFloor = this.rules.evictFloorAfter(this.evictFloor, dropped);
      this.byKey.delete(oldest);
      return;
    }
  }
}
