/**
 * storage/last-lookup.ts: the key that the present command looked up last, and what was found: a write of the same key, which is what mostly
 * comes next, need not look for it again.
 * Invariant: it is forgotten when a command begins and when anything changed: bytes are compared by where they lie, and what lies there
 * may be another key by then.
 */
import type { Viewed } from "../lib/view.js";

export class LastLookup {
  /** 0: the key is absent. */
  ref = 0;
  private key: Viewed | undefined = undefined;
  private at = 0;
  private bytes = 0;
  private db = 0;

  note(db: number, key: Viewed, at: number, bytes: number, ref: number): void {
    this.key = key;
    this.at = at;
    this.bytes = bytes;
    this.db = db;
    this.ref = ref;
  }

  /** Is it this key? Its length counts too: an empty one begins where the next argument does. */
  isOf(db: number, key: Viewed, at: number, bytes: number): boolean {
    return this.at === at && this.bytes === bytes && this.key === key && this.db === db;
  }

  forget(): void {
    this.key = undefined;
  }
}
