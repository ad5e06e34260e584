/**
 * storage/log.ts: what the others know of the log: the part of it that the store writes to, and where it lies on the disk.
 * Types only; storage/wal.ts is the log.
 */
import type { Viewed } from "../lib/view.js";

/** What the store needs of the log; storage/wal.ts is one. */
export interface Log {
  readonly appendedLsn: number;
  readonly durableLsn: number;
  /** @param own nobody changes the body from now on: a large one need not be copied. */
  append(body: Viewed, at: number, length: number, own?: boolean): number;
  /** Is there so little room that writes are refused? And is there something that waits for room? @param bytes of a large record to come. Absent: never. */
  outOfSpace?(bytes?: number): boolean;
  readonly waitsForRoom?: boolean;
}

export type SyncMode = "always" | "everysec" | "no";

export interface WalOptions {
  readonly mode: SyncMode;
  readonly segmentBytes: number;
  /** Size that suits the data at present; `segmentBytes` is the most. Asked for each segment. */
  readonly segmentBytesWanted?: () => number;
  /** The log of one node of several. */
  readonly member?: boolean;
  /** Records of their own that are longer are not copied into a batch. */
  readonly largeBytes?: number;
}

export interface SegmentInfo {
  readonly name: string;
  readonly firstLsn: number;
  readonly bytes: number;
}

/** Where recovery found the end of the log. */
export interface WalEnd {
  readonly nextLsn: number;
  readonly lastCrc: number;
  /** Bytes in all segments kept. */
  readonly bytes: number;
  /** Where the last batch ends in the last segment; 0: there is none. */
  readonly lastBytes: number;
  /** Segments in order, the ones of recovery included. */
  readonly segments: readonly SegmentInfo[];
}

/** Who waits for the log: a hint on how to flush it. */
export interface Audience {
  /** So many answers leave with the next flush. */
  readonly waiters: number;
  /** Nobody is about whom a sync on the loop would hold up but those who wait for it. */
  readonly onlyWriters: boolean;
}

/** The log at one moment: what is durable, and where it lies. */
export interface LogExtent {
  /** Last durable LSN. */
  readonly lsn: number;
  readonly segments: readonly SegmentInfo[];
  /** Where the batch with that LSN ends in the last segment; nothing before it is ever written to again. */
  readonly lastBytes: number;
}
