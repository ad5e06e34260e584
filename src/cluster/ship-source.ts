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
  readonly durableLsn: number;
  held(name: string): Held<Value> | undefined;
  /** Is the record behind `lsn` still in the log? */
  reachesBackTo(lsn: number): boolean;
  /**
   * Durable records behind `lsn`, in order, about `bytesMax` of them. `each` borrows. @returns the last position looked at; equal to
   * durableLsn: there is no more.
   */
  readLog(lsn: number, bytesMax: number, each: (record: Buffer, at: number) => void): number;
  page(
    db: number,
    cursor: number,
    count: number,
  ): { readonly entries: readonly { readonly key: Buffer }[]; readonly next: number };
}

export interface Batch {
  readonly records: readonly { readonly record: Buffer; readonly chosen: boolean }[];
  readonly firstLsn: number;
  readonly lastLsn: number;
  /** Nothing is left behind it at present. */
  readonly ends: boolean;
}

/** Where a walk through the table is. */
export interface Walk {
  readonly fromLsn: number;
  db: number;
  cursor: number;
}

const DATABASES = 16;
const PAGE_KEYS = 100;
const SEND_MS = 5000;

export class ShipSource {
  private readonly storage: ShippedStorage;
  private readonly exchange: Exchange;
  private readonly routing: Routing;
  private readonly nowMs: () => number;

  constructor(storage: ShippedStorage, exchange: Exchange, routing: Routing, nowMs: () => number) {
    this.storage = storage;
    this.exchange = exchange;
    this.routing = routing;
    this.nowMs = nowMs;
  }

  get durableLsn(): number {
    return this.storage.durableLsn;
  }

  reachesBackTo(lsn: number): boolean {
    return this.storage.reachesBackTo(lsn);
  }

  fromLog(peer: number, afterLsn: number, bytesMax: number): Batch {
    const records: Batch["records"][number][] = [];
    const lastLsn = this.storage.readLog(afterLsn, bytesMax, (bytes, at) => {
      const item = this.item(peer, nameOfRecord(bytes, at));
      // A record that was replaced lies further on in its new state.
      if (item !== undefined && sameDot(ballotOf(item.record, 0), ballotOf(bytes, at))) records.push(item);
    });
    return { records, firstLsn: afterLsn, lastLsn, ends: lastLsn >= this.storage.durableLsn };
  }

  /** The next part of the table; the walk moves on. */
  fromTable(peer: number, walk: Walk, bytesMax: number): Batch {
    const records: Batch["records"][number][] = [];
    let bytes = 0;
    while (walk.db < DATABASES && bytes < bytesMax) {
      const { entries, next } = this.storage.page(walk.db, walk.cursor, PAGE_KEYS);
      for (const { key } of entries) {
        const item = this.item(peer, nameOf(walk.db, key, 0, key.length));
        if (item === undefined) continue;
        records.push(item);
        bytes += item.record.length;
      }
      walk.cursor = next;
      if (next === 0) walk.db++;
    }
    return { records, firstLsn: walk.fromLsn, lastLsn: walk.fromLsn, ends: walk.db === DATABASES };
  }

  private item(peer: number, name: string): Batch["records"][number] | undefined {
    if (!this.routing.isReplica(this.routing.partitionOf(name), peer)) return undefined;
    const held = this.storage.held(name);
    // What is not durable yet lies behind the last position that is looked at, and comes later.
    if (held === undefined || held.lsn > this.storage.durableLsn) return undefined;
    return { record: encodeState(name, held.ballot, held.state), chosen: held.chosen };
  }

  /** @returns the batch's number, 0: there was no room. */
  send(link: PeerLink, { records, firstLsn, lastLsn, ends }: Batch): number {
    let bytes = SHIP_BYTES;
    for (const { record } of records) bytes += 1 + record.length;
    const writer = link.claim(bytes + MESSAGE_HEADER_BYTES, this.nowMs() + SEND_MS);
    if (writer === undefined) return 0;
    const id = this.exchange.nextId();
    writer.shipBegin(id, firstLsn, lastLsn, !ends);
    for (const { record, chosen } of records) writer.shipAdd(chosen, record, 0, record.length);
    writer.shipEnd();
    return id;
  }
}
