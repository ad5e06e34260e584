/**
 * core/register/ownership.ts: of which keys this process may use the fast path: one trip instead of two for those it wrote last.
 * Volatile. Invariants: an entry's ballot was issued by this process, was chosen, and is its latest on the key: an entry goes when
 * any new ballot is issued for the key, and when a nack shows that somebody else was promised one. At most `countMax` entries; the
 * oldest goes first. Losing an entry costs one trip and is always safe.
 */
import type { Dot } from "../clock/dot.js";
import type { Votes } from "./quorum.js";

export interface Owned {
  readonly ballot: Dot;
  /** The configuration in which the acknowledgements were counted. */
  readonly epoch: number;
  /** Those that came after the ballot was chosen are counted too. */
  readonly acks: Votes;
}

export class Ownership {
  private readonly byKey = new Map<string, Owned>();
  private readonly countMax: number;

  constructor(countMax: number) {
    this.countMax = countMax;
  }

  get(key: string): Owned | undefined {
    return this.byKey.get(key);
  }

  set(key: string, owned: Owned): void {
    this.byKey.delete(key);
    this.byKey.set(key, owned);
    if (this.byKey.size <= this.countMax) return;
    for (const oldest of this.byKey.keys()) {
      this.byKey.delete(oldest);
      return;
    }
  }

  drop(key: string): void {
    this.byKey.delete(key);
  }
}
