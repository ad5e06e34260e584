/**
 * ports/absences.ts: keys that somebody watches while they are absent (WATCH): was one made, and taken away again, meanwhile? Versions
 * do not tell, since an absent key has none. But to be absent again a key has to go, and that is rarer than a write: so a keyspace tells
 * of the keys that go, and only while somebody waits for one.
 * Invariant: `size` is 0 when nobody waits; then the others are not to be called.
 */
import type { Viewed } from "../lib/view.js";

/** One who waits. */
export interface Absence {
  readonly db: number;
  readonly key: Viewed;
  /** The key has gone since this was added. */
  gone: boolean;
}

export class Absences {
  /** How many wait. */
  size = 0;
  private readonly waiting: Map<string, Set<Absence>> = new Map();

  add(absence: Absence): void {
    const id = idOf(absence.db, absence.key.latin1Slice());
    const known = this.waiting.get(id);
    if (known === undefined) this.waiting.set(id, new Set([absence]));
    else known.add(absence);
    this.size++;
  }

  /** Wait no longer. Harmless for one that was not added. */
  drop(absence: Absence): void {
    const id = idOf(absence.db, absence.key.latin1Slice());
    const known = this.waiting.get(id);
    if (known?.delete(absence) !== true) return;
    this.size--;
    if (known.size === 0) this.waiting.delete(id);
  }

  /** A key goes. O(1), and O(bytes of the key). */
  note(db: number, bytes: Buffer, at: number, length: number): void {
    for (const absence of this.waiting.get(idOf(db, bytes.latin1Slice(at, at + length))) ?? []) absence.gone = true;
  }

  /** All keys of a database, or of all (db = -1), are about to go. @param isThere is the key one of them? O(those who wait). */
  noteAll(db: number, isThere: (db: number, key: Viewed) => boolean): void {
    for (const all of this.waiting.values())
      for (const absence of all)
        if ((db < 0 || db === absence.db) && isThere(absence.db, absence.key)) absence.gone = true;
  }
}

function idOf(db: number, key: string): string {
  return `${db} ${key}`;
}
