/**
 * test/sim/evidence.ts: what an all-seeing observer has noted: every state that a replica accepted. No node can read this.
 * Checked: one dot has one state; the states that were chosen form one chain, each containing the history of the one before; an answer
 * names a dot that some replica holds; states do not carry operations that were refused, nor one twice.
 */
import { compareDots, type Dot, sameDot } from "../../src/core/clock/dot.js";
import type { VersionVector } from "../../src/core/clock/version-vector.js";
import { crc32 } from "../../src/lib/crc.js";
import { ballotOf, decodeState, nameOfRecord } from "../../src/storage/state-record.js";
import { dotText, type History, HLC_ORIGIN, textOf, Violation } from "./history.js";
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
    const before = known.get(keyOf(ballot));
    if (before === undefined) {
      const state = decodeState(Buffer.from(record));
      if (state === undefined) throw new Violation(`a record that cannot be read, of ${JSON.stringify(name)}`);
      const { value, vv, expireAt } = state;
      const content = value === undefined ? undefined : contentOf(value.bytes, expireAt);
      known.set(keyOf(ballot), { ballot, hash, vv, content, holders: 1 << node });
    } else {
      if (before.hash !== hash)
        throw new Violation(`evidence: two states under the dot ${dotText(ballot)} of ${JSON.stringify(name)}`);
      before.holders |= 1 << node;
    }
  }

  of(name: string, ballot: Dot): Accepted | undefined {
    return this.byName.get(name)?.get(keyOf(ballot));
  }

  /** States that may lie on the way from a dot to a later state. O(states of the key). */
  between(name: string, from: Dot, to: Accepted): Accepted[] {
    const all = [...(this.byName.get(name)?.values() ?? [])];
    return all.filter(
      ({ ballot }) => compareDots(ballot, from) > 0 && to.vv.covers(ballot) && !sameDot(ballot, to.ballot),
    );
  }

  /** To be called when everything is over. @throws {Violation} */
  check(name: string, history: History, w: number): void {
    const known = this.byName.get(name) ?? new Map<number, Accepted>();
    const chosen = new Map<number, Accepted>();
    for (const entry of history.byName.get(name) ?? []) {
      if (entry.heard !== "yes" || entry.ballot === undefined) continue;
      const key = keyOf(entry.ballot);
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
    for (const state of known.values()) this.checkWriters(name, state, history);
  }

  private checkWriters(name: string, { ballot, content }: Accepted, history: History): void {
    if (content === undefined) return;
    const { writers } = content;
    for (let i = 0; i < writers.length; i++) {
      const entry = history.of(writers[i]);
      const where = `the state ${dotText(ballot)} of ${JSON.stringify(name)}`;
      if (entry === undefined || entry.name !== name) throw new Violation(`evidence: nobody wrote ${where}`);
      if (entry.heard === "no") throw new Violation(`evidence: refused, but in ${where}: ${textOf(entry)}`);
      if (writers.indexOf(writers[i]) !== i) throw new Violation(`evidence: twice in ${where}: ${textOf(entry)}`);
    }
  }
}

/** A number: dots are of one epoch, and from about the beginning of the simulation on. */
function keyOf({ hlc, node }: Dot): number {
  return (hlc - HLC_ORIGIN) * 8 + node;
}

function bits(mask: number): number {
  let count = 0;
  for (let rest = mask; rest !== 0; rest &= rest - 1) count++;
  return count;
}
