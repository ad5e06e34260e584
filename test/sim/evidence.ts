/**
 * test/sim/evidence.ts: what an all-seeing observer has noted: every state that a replica accepted. No node can read this.
 * Checked: one dot has one state; the states that were chosen form one chain, each containing the history of the one before; an answer
 * names a dot that enough replicas accepted.
 */
import { compareDots, type Dot } from "../../src/core/clock/dot.js";
import type { VersionVector } from "../../src/core/clock/version-vector.js";
import { crc32 } from "../../src/lib/crc.js";
import { ballotOf, decodeState, nameOfRecord } from "../../src/storage/state-record.js";
import { dotKey, dotText, type History, textOf, Violation } from "./history.js";
import type { Content } from "./model.js";
import { contentOf } from "./works.js";

export interface Accepted {
  readonly ballot: Dot;
  /** Of the record's bytes. */
  readonly hash: number;
  readonly vv: VersionVector;
  readonly content: Content | undefined;
  /** Bits of the nodes that have accepted it, durably or not. */
  holders: number;
}

export class Evidence {
  private readonly byName = new Map<string, Map<number, Accepted>>();

  // HOT: three times a write.
  /** A replica takes a record. @throws {Violation} when its dot has another state already. */
  accepted(node: number, record: Buffer): void {
    const name = nameOfRecord(record, 0);
    const ballot = ballotOf(record, 0);
    let known = this.byName.get(name);
    if (known === undefined) {
      known = new Map();
      this.byName.set(name, known);
    }
    const hash = crc32(record);
    const before = known.get(dotKey(ballot));
    if (before === undefined) {
      const state = decodeState(Buffer.from(record));
      if (state === undefined) throw new Violation(`a record that cannot be read, of ${JSON.stringify(name)}`);
      const { value, vv, expireAt } = state;
      const content = value === undefined ? undefined : contentOf(value.bytes, expireAt);
      known.set(dotKey(ballot), { ballot, hash, vv, content, holders: 1 << node });
    } else {
      if (before.hash !== hash)
        throw new Violation(`evidence: two states under the dot ${dotText(ballot)} of ${JSON.stringify(name)}`);
      before.holders |= 1 << node;
    }
  }

  of(name: string, ballot: Dot): Accepted | undefined {
    return this.byName.get(name)?.get(dotKey(ballot));
  }

  /** All states of a key that were accepted. */
  statesOf(name: string): Iterable<Accepted> {
    return this.byName.get(name)?.values() ?? [];
  }

  /** To be called when everything is over. @throws {Violation} */
  check(name: string, history: History, w: number): void {
    const known = this.byName.get(name) ?? new Map<number, Accepted>();
    const chosen = new Map<number, Accepted>();
    for (const entry of history.byName.get(name) ?? []) {
      if (entry.heard !== "yes" || entry.ballot === undefined) continue;
      const key = dotKey(entry.ballot);
      const state = known.get(key);
      if (state === undefined) throw new Violation(`evidence: nobody accepted the state of ${textOf(entry)}`);
      if (bits(state.holders) < w) {
        throw new Violation(`evidence: ${bits(state.holders)} of ${w} accepted the state of ${textOf(entry)}`);
      }
      chosen.set(key, state);
    }
    const chain = [...chosen.values()].sort((a, b) => compareDots(a.ballot, b.ballot));
    for (let i = 1; i < chain.length; i++) {
      if (chain[i].vv.descends(chain[i - 1].vv)) continue;
      throw new Violation(
        `evidence: two chains of ${JSON.stringify(name)}: ${dotText(chain[i].ballot)} does not contain ${dotText(chain[i - 1].ballot)}`,
      );
    }
  }
}

function bits(mask: number): number {
  let count = 0;
  for (let rest = mask; rest !== 0; rest &= rest - 1) count++;
  return count;
}
