/**
 * storage/member-book.ts: what a running member remembers of the cluster, and when its member file is written.
 *
 * A peer of which it was not known, or that has started anew, is written before it is heard. That the ceiling of one that is known has risen, or its log
 * grown, is kept in memory, and written with the positions: a link that comes back needs no disk then, which may be full, or not answer. They are there
 * to tell a directory that was set back (cluster/peer-identity.ts). Price: a node that was killed knows ten seconds less of its peers.
 * Invariants: what is in memory is never behind what is on the disk; uuid, run and boot of a peer are the same in both.
 */
import type { Start } from "../codec/frame/steps.js";
import type { Disk } from "../ports/disk.js";
import { type MemberData, type PeerNote, writeMember } from "./member-file.js";

export class MemberBook {
  private readonly disk: Disk;
  private data: MemberData;
  /** Something in memory is not on the disk yet. */
  private lags = false;

  /** @param data as it is on the disk. */
  constructor(disk: Disk, data: MemberData) {
    this.disk = disk;
    this.data = data;
  }

  get boot(): number {
    return this.data.boot;
  }

  /** This start of the directory first. */
  get starts(): readonly Start[] {
    return this.data.starts ?? [];
  }

  /**
   * The log was found, and ended there. Durable with the next save(): where that fails, for want of room, this start is later one that came to no
   * log, as if it had added nothing.
   */
  foundLog(lsn: number): void {
    const [present, ...before] = this.starts;
    if (present === undefined) return;
    this.data = { ...this.data, starts: [{ ...present, lsn }, ...before] };
    this.lags = true;
  }

  /** Up to where in this node's log each peer had what it was to have, as it was saved last. */
  get shipped(): Readonly<Record<string, number>> {
    return this.data.shipped;
  }

  recordOf(id: string): PeerNote | undefined {
    return this.data.peers[id];
  }

  /** Is this start of the peer on the disk? Then record() does not write. */
  knows(id: string, { uuid, run, boot }: PeerNote): boolean {
    const known = this.data.peers[id];
    return known?.uuid === uuid && known.run === run && known.boot === boot;
  }

  /** Two syncs for a peer that has started anew, or is heard of for the first time. @throws DiskError: the peer is not on record. */
  record(id: string, note: PeerNote): void {
    const data = { ...this.data, peers: { ...this.data.peers, [id]: note } };
    if (this.knows(id, note)) {
      const known = this.data.peers[id];
      this.lags ||= known?.ceiling !== note.ceiling || known.lsn !== note.lsn;
      this.data = data;
    } else this.write(data);
  }

  /** Two syncs, if there is anything new. @throws DiskError: then it is tried again with the next. */
  save(shipped: Readonly<Record<string, number>>): void {
    if (!this.lags && Object.entries(shipped).every(([id, lsn]) => this.data.shipped[id] === lsn)) return;
    this.write({ ...this.data, shipped });
  }

  private write(data: MemberData): void {
    writeMember(this.disk, data);
    this.data = data;
    this.lags = false;
  }
}
