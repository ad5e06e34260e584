/**
 * cluster/ship-source.ts: what there is to ship to a peer: records of this node's log, or of its table, that concern the peer and that
 * this replica still holds, in batches of a bounded size.
 * Must never: ship what is not durable here. A peer that took it for acknowledged here would count on a disk that has it not.
 */
import { MESSAGE_HEADER_BYTES } from "../codec/frame/layout.js";
import { SHIP_BYTES } from "../codec/frame/message-writer.js";
import { sameDot } from "../core/clock/dot.js";
import type { Held } from "../core/register/state.js";
import { ballotOf, encodeState, nameOf, nameOfRecord, type Value } from "../storage/state-record.js";
import type { Exchange } from "./exchange.js";
import type { PeerLink } from "./peer-link.js";
import type { Routing } from "./routing.js";

/** The storage, as far as it is shipped. */
export interface ShippedStorage {
  /** The log could not be begun yet: positions say nothing. Absent: it is there. */
  readonly unbegun?: boolean;
  readonly appendedLsn: number;
  readonly durableLsn: number;
  held(name: string): Held<Value> | undefined;
  page(
    db: number,
    cursor: number,
    count: number,
  ): { readonly entries: readonly { readonly key: Buffer }[]; readonly next: number };
}

/** The log from a position on; storage/log-cursor.ts. */
export interface LogReader {
  /** Everything before it was handed out. */
  readonly nextLsn: number;
  /**
   * Durable records, about `bytesMax` of them; `take` borrows. gone: the log does not reach back so far any more.
   * @throws when it is damaged.
   */
  read(
    bytesMax: number,
    done: () => boolean,
    take: (lsn: number, body: Buffer, at: number) => void,
  ): "more" | "end" | "gone";
  close(): void;
}

export interface Batch {
  readonly records: readonly { readonly record: Buffer; readonly chosen: boolean }[];
  readonly firstLsn: number;
  readonly lastLsn: number;
  /** Nothing is left behind it at present. */
  readonly ends: boolean;
}

/** A position of this node's log, and the number of the latest request to any peer then. */
export interface Moment {
  readonly lsn: number;
  readonly id: number;
}

/** Where a walk through the table is. */
export interface Walk {
  readonly fromLsn: number;
  db: number;
  /** Of the next page. */
  cursor: number;
  /** Names of the page before it that found no room in the last batch. */
  readonly left: string[];
}

/** What its records take in a message. */
export function bytesOf({ records }: Batch): number {
  let bytes = 0;
  for (const { record } of records) bytes += 1 + record.length;
  return bytes;
}

const DATABASES = 16;
const PAGE_KEYS = 100;
const SEND_MS = 5000;
/** Of a turn of the loop. */
const READ_MS = 1;
/** Keys between two looks at the time. */
const LOOKS_PER_TIME = 16;

export interface ShipSourceParts {
  readonly storage: ShippedStorage;
  readonly logFrom: (lsn: number) => LogReader;
  readonly exchange: Exchange;
  readonly routing: Routing;
  /** Steady clock. */
  readonly nowMs: () => number;
  /** In another turn of the loop. */
  readonly later: (run: () => void) => void;
  /** The log cannot be read. */
  readonly onDamage: (error: Error) => void;
}

export class ShipSource {
  private readonly parts: ShipSourceParts;

  constructor(parts: ShipSourceParts) {
    this.parts = parts;
  }

  get durableLsn(): number {
    return this.parts.storage.durableLsn;
  }

  /** There is no log yet to be read, for want of room. */
  get unbegun(): boolean {
    return this.parts.storage.unbegun === true;
  }

  /** What was logged until now, and what was asked. */
  now(): Moment {
    return { lsn: this.parts.storage.appendedLsn, id: this.parts.exchange.lastNumber };
  }

  /** Was an ACCEPT to the peer, behind the number `after` and up to `until`, not answered (yet)? */
  awaits(peer: number, after: number, until: number): boolean {
    return this.parts.exchange.awaits(peer, after, until);
  }

  /** A large value is being stored: answers may take long. */
  get busy(): boolean {
    return this.parts.exchange.patience.busyNow;
  }

  later(run: () => void): void {
    this.parts.later(run);
  }

  logFrom(lsn: number): LogReader {
    return this.parts.logFrom(lsn);
  }

  /** @returns undefined: the log does not reach back so far, or cannot be read. */
  fromLog(peer: number, reader: LogReader, bytesMax: number): Batch | undefined {
    const records: Batch["records"][number][] = [];
    const firstLsn = reader.nextLsn;
    const untilMs = this.parts.nowMs() + READ_MS;
    const late = (): boolean => this.parts.nowMs() >= untilMs;
    try {
      const state = reader.read(bytesMax, late, (_lsn, bytes, at) => {
        const item = this.item(peer, nameOfRecord(bytes, at));
        // A record that was replaced lies further on in its new state.
        if (item !== undefined && sameDot(ballotOf(item.record, 0), ballotOf(bytes, at))) records.push(item);
      });
      return state === "gone" ? undefined : { records, firstLsn, lastLsn: reader.nextLsn - 1, ends: state === "end" };
    } catch (error) {
      // What it holds is in memory too. The damage is for a person.
      this.parts.onDamage(error as Error);
      return undefined;
    }
  }

  /** The next part of the table, what can be looked at in a turn's share; the walk moves on. */
  fromTable(peer: number, walk: Walk, bytesMax: number): Batch {
    const records: Batch["records"][number][] = [];
    const { left } = walk;
    const untilMs = this.parts.nowMs() + READ_MS;
    let bytes = 0;
    for (let looks = 1; bytes < bytesMax && (left.length > 0 || walk.db < DATABASES); looks++) {
      // Most of a table may be of keys that are not the peer's.
      if (looks % LOOKS_PER_TIME === 0 && this.parts.nowMs() >= untilMs) break;
      const name = left.pop();
      if (name === undefined) {
        const { entries, next } = this.parts.storage.page(walk.db, walk.cursor, PAGE_KEYS);
        for (const { key } of entries) left.push(nameOf(walk.db, key, 0, key.length));
        walk.cursor = next;
        if (next === 0) walk.db++;
        continue;
      }
      const item = this.item(peer, name);
      if (item === undefined) continue;
      records.push(item);
      bytes += item.record.length;
    }
    return { records, firstLsn: walk.fromLsn, lastLsn: walk.fromLsn, ends: walk.db === DATABASES && left.length === 0 };
  }

  private item(peer: number, name: string): Batch["records"][number] | undefined {
    if (!this.parts.routing.isReplica(this.parts.routing.partitionOf(name), peer)) return undefined;
    const held = this.parts.storage.held(name);
    // What is not durable yet lies behind the last position that is looked at, and comes later.
    if (held === undefined || held.lsn > this.parts.storage.durableLsn) return undefined;
    return { record: encodeState(name, held.ballot, held.state), chosen: held.chosen };
  }

  /** @returns the batch's number, 0: there was no room. */
  send(link: PeerLink, batch: Batch): number {
    const { records, firstLsn, lastLsn, ends } = batch;
    const bytes = SHIP_BYTES + MESSAGE_HEADER_BYTES + bytesOf(batch);
    const writer = link.claim(bytes, this.parts.exchange.patience.deadlineMs(bytes, this.parts.nowMs() + SEND_MS));
    if (writer === undefined) return 0;
    const id = this.parts.exchange.nextId();
    writer.shipBegin(id, firstLsn, lastLsn, !ends);
    const last = records.length - 1;
    for (const [i, { record, chosen }] of records.entries())
      writer.shipAdd(chosen, record, 0, record.length, i === last);
    writer.shipEnd();
    return id;
  }
}
