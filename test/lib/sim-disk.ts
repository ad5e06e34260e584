/**
 * test/lib/sim-disk.ts: the Disk port with a model of what survives power loss.
 * Per file: the bytes the disk holds, and the writes not synced yet, in order. At a crash each of those is kept, lost, torn by
 * sectors of 512 bytes or cut short at any byte, as the seed says; names made, renamed and removed since the last directory sync
 * survive as a prefix.
 * Also breaks on demand: the k-th sync never returns (crash), writes or syncs fail, the disk is full.
 */

import { Random } from "../../src/lib/random.js";
import type { Disk, Done, FileHandle } from "../../src/ports/disk.js";
import type { Scheduler } from "../../src/ports/scheduler.js";

const SECTOR = 512;
/** A file larger than LARGE gets all the room that most ever take: what was never written costs no memory, but moving what was does. */
const LARGE_BYTES = 1 << 20;
const LARGE_ROOM_BYTES = 64 << 20;

/** Thrown out of a blocking call when the power goes: nothing after it happens. */
export class PowerLoss extends Error {}

interface PendingWrite {
  position: number;
  bytes: Buffer;
}

const NOTHING = Buffer.alloc(0);

class SimFile {
  durable: Buffer = NOTHING;
  view: Buffer = NOTHING;
  pending: PendingWrite[] = [];
  /** Whose buffers belong to others too: to be copied before the first write. */
  readonly shared = { durable: true, view: true };
  /** What each of them is the beginning of, unless it is shared: room to grow, all zeros. */
  private readonly room = { durable: NOTHING, view: NOTHING };

  apply(target: "durable" | "view", { position, bytes }: PendingWrite): void {
    const { length } = this[target];
    const end = Math.max(length, position + bytes.length);
    if (this.shared[target] || this[target].buffer !== this.room[target].buffer || end > this.room[target].length) {
      const least = end > LARGE_BYTES ? LARGE_ROOM_BYTES : 0;
      const room = Buffer.alloc(end > length ? Math.max(end, length * 2, least) : end);
      this[target].copy(room);
      this.room[target] = room;
      this[target] = room.subarray(0, end);
    } else if (end > length) this[target] = this.room[target].subarray(0, end);
    bytes.copy(this[target], position);
    this.shared[target] = false;
  }

  /** What is durable, for another file: the bytes are copied when either of them is written to. */
  durableTwin(): SimFile {
    const twin = new SimFile();
    this.shared.durable = true;
    twin.durable = this.durable;
    return twin;
  }

  sync(): void {
    for (const write of this.pending) this.apply("durable", write);
    this.pending = [];
  }
}

interface OpenFile {
  readonly file: SimFile;
  readonly durable: boolean;
  readonly readonly: boolean;
}

type NameOp =
  | { kind: "create"; name: string; file: SimFile }
  | { kind: "rename"; from: string; to: string }
  | { kind: "remove"; name: string };

export class SimDisk implements Disk {
  names: Map<string, SimFile> = new Map();
  durableNames: Map<string, SimFile> = new Map();
  private nameOps: NameOp[] = [];
  private readonly handles = new Map<FileHandle, OpenFile>();
  private nextHandle = 1;
  private readonly scheduler: Scheduler;
  /** Syncs so far: fsync, directory syncs, and writes to durable handles. */
  syncs = 0;
  /** The power goes when sync number `crashAt` is asked for. */
  crashAt: number = Number.POSITIVE_INFINITY;
  crashed = false;
  /** At the power loss before this life: writes that were kept in part, and those that were lost. */
  torn = 0;
  lost = 0;
  /** The power has just gone, within a call. */
  onCrash: () => void = () => {};
  failWrites = false;
  failSyncs = false;
  freeBytesLeft: number = Number.POSITIVE_INFINITY;
  /** How long each write off the loop takes; 0: until the turn ends. Meanwhile it may be on the disk, in part, or not. */
  latencyMs: () => number = () => 0;
  /** Most synced writes off the loop that were under way at once. */
  mostUnderWay = 0;
  private underWay = 0;

  constructor(scheduler: Scheduler) {
    this.scheduler = scheduler;
  }

  /** Handles that were opened and not closed. */
  get openHandles(): number {
    return this.handles.size;
  }

  /** What a disk holds after power loss, under a new scheduler. @param cut of each unsynced write only so many bytes were written. */
  afterPowerLoss(scheduler: Scheduler, seed: number, cut?: number): SimDisk {
    const random = new Random(seed);
    const next = new SimDisk(scheduler);
    const names = new Map(this.durableNames);
    const kept = random.below(this.nameOps.length + 1);
    for (const op of this.nameOps.slice(0, kept)) applyNameOp(names, op);
    const survivors = new Map<SimFile, SimFile>();
    for (const [name, file] of names) {
      let survivor = survivors.get(file);
      if (survivor === undefined) {
        survivor = file.durableTwin();
        for (const write of file.pending) {
          if (cut === undefined) next.kept(keepSome(survivor, write, random));
          else keepStart(survivor, write, cut);
        }
        survivor.view = survivor.durable;
        survivor.shared.durable = true;
        survivors.set(file, survivor);
      }
      next.names.set(name, survivor);
    }
    next.durableNames = new Map(next.names);
    return next;
  }

  private kept(fate: Fate): void {
    if (fate === "torn") this.torn++;
    if (fate === "lost") this.lost++;
  }

  /** What the next process finds when the one before was killed: all that was written, synced or not. */
  afterKill(scheduler: Scheduler): SimDisk {
    const next = new SimDisk(scheduler);
    next.names = this.names;
    next.durableNames = this.durableNames;
    next.nameOps = this.nameOps;
    return next;
  }

  /** The same names under another scheduler; the bytes of `copied` are its own, writes to the others replace their buffers. */
  fork(scheduler: Scheduler, copied: string): SimDisk {
    const next = new SimDisk(scheduler);
    for (const [name, file] of this.names) {
      if (name.endsWith(".tmp")) continue;
      const twin = new SimFile();
      twin.view = name === copied ? Buffer.from(file.view) : file.view;
      twin.shared.view = name !== copied;
      next.names.set(name, twin);
    }
    next.durableNames = new Map(next.names);
    return next;
  }

  private countSync(): void {
    if (this.crashed) throw new PowerLoss();
    this.syncs++;
    if (this.syncs >= this.crashAt) {
      this.crashed = true;
      this.onCrash();
      throw new PowerLoss();
    }
  }

  private alive(): void {
    if (this.crashed) throw new PowerLoss();
  }

  private handle(handle: FileHandle, writing = false): OpenFile {
    const found = this.handles.get(handle);
    if (found === undefined || (writing && found.readonly)) throw failure("EBADF", String(handle));
    return found;
  }

  list(): string[] {
    return [...this.names.keys()];
  }
  exists(name: string): boolean {
    return this.names.has(name);
  }

  open(name: string, options: { create?: boolean; durable?: boolean; readonly?: boolean }): FileHandle {
    this.alive();
    let file = this.names.get(name);
    if (options.create) {
      if (file !== undefined) throw failure("EEXIST", name);
      file = new SimFile();
      this.names.set(name, file);
      this.nameOps.push({ kind: "create", name, file });
    }
    if (file === undefined) throw failure("ENOENT", name);
    const handle = this.nextHandle++;
    this.handles.set(handle, { file, durable: options.durable === true, readonly: options.readonly === true });
    return handle;
  }

  close(handle: FileHandle): void {
    if (!this.handles.delete(handle)) throw failure("EBADF", String(handle));
  }
  size(handle: FileHandle): number {
    return this.handle(handle).file.view.length;
  }

  read(handle: FileHandle, into: Buffer, at: number, length: number, position: number): number {
    const { view } = this.handle(handle).file;
    const bytes = Math.min(length, view.length - position);
    if (bytes <= 0) return 0;
    view.copy(into, at, position, position + bytes);
    return bytes;
  }

  private enter(file: SimFile, from: Buffer, at: number, length: number, position: number): PendingWrite {
    if (this.failWrites) throw failure("EIO", "write");
    if (position + length > file.view.length) {
      const more = position + length - file.view.length;
      if (more > this.freeBytesLeft) throw failure("ENOSPC", "write");
      this.freeBytesLeft -= more;
    }
    const bytes = Buffer.allocUnsafe(length);
    from.copy(bytes, 0, at, at + length);
    const write = { position, bytes };
    file.apply("view", write);
    file.pending.push(write);
    return write;
  }

  write(handle: FileHandle, from: Buffer, at: number, length: number, position: number): void {
    this.alive();
    const { file, durable } = this.handle(handle, true);
    if (length === 0) return;
    const write = this.enter(file, from, at, length, position);
    if (durable) this.syncRange(file, write);
  }

  /** A write to a durable handle syncs what it wrote, and nothing else of the file. */
  private syncRange(file: SimFile, write: PendingWrite): void {
    this.countSync();
    if (this.failSyncs) throw failure("EIO", "fsync");
    file.pending = file.pending.filter((other) => other !== write);
    file.apply("durable", write);
  }

  sync(handle: FileHandle): void {
    const { file } = this.handle(handle);
    this.countSync();
    if (this.failSyncs) throw failure("EIO", "fsync");
    file.sync();
  }

  truncate(handle: FileHandle, bytes: number): void {
    const { file } = this.handle(handle, true);
    file.view = Buffer.concat([file.view.subarray(0, bytes)], bytes);
    file.shared.view = false;
  }

  rename(from: string, to: string): void {
    this.alive();
    if (!this.names.has(from)) throw failure("ENOENT", from);
    const op: NameOp = { kind: "rename", from, to };
    applyNameOp(this.names, op);
    this.nameOps.push(op);
  }

  remove(name: string): void {
    this.alive();
    if (!this.names.has(name)) throw failure("ENOENT", name);
    const op: NameOp = { kind: "remove", name };
    applyNameOp(this.names, op);
    this.nameOps.push(op);
  }

  syncDirectory(): void {
    this.countSync();
    for (const op of this.nameOps) applyNameOp(this.durableNames, op);
    this.nameOps = [];
  }

  freeBytes(): number {
    return this.freeBytesLeft;
  }

  writeAsync(handle: FileHandle, from: Buffer, at: number, length: number, position: number, done: Done): void {
    const latencyMs = this.latencyMs();
    let write: PendingWrite | undefined;
    const enter = ({ file }: OpenFile): void => {
      if (length > 0) write = this.enter(file, from, at, length, position);
    };
    const finish = ({ file, durable }: OpenFile): void => {
      if (durable && latencyMs > 0) this.underWay--;
      if (write === undefined) return;
      if (from.compare(write.bytes, 0, length, at, at + length) !== 0)
        throw new Error("the bytes changed while they were written");
      if (durable) this.syncRange(file, write);
    };
    if (latencyMs === 0) {
      this.later(done, handle, true, (open) => {
        enter(open);
        finish(open);
      });
      return;
    }
    // It begins at once: at a crash some of it may be there.
    this.alive();
    const open = this.handle(handle, true);
    try {
      enter(open);
    } catch (error) {
      this.scheduler.after(latencyMs, () => done(error as Error));
      return;
    }
    if (open.durable) this.mostUnderWay = Math.max(this.mostUnderWay, ++this.underWay);
    this.scheduler.after(latencyMs, () => this.inAnotherTurn(done, () => finish(open)));
  }

  syncAsync(handle: FileHandle, done: Done): void {
    this.later(done, handle, false, ({ file }) => {
      this.countSync();
      if (this.failSyncs) throw failure("EIO", "fsync");
      file.sync();
    });
  }

  removeAsync(name: string, done: Done): void {
    this.inAnotherTurn(done, () => this.remove(name));
  }

  /** The handle is looked at now: it may be closed by then. */
  private later(done: Done, handle: FileHandle, writing: boolean, work: (open: OpenFile) => void): void {
    let open: OpenFile;
    try {
      open = this.handle(handle, writing);
    } catch (error) {
      this.scheduler.endOfTurn(() => done(error as Error));
      return;
    }
    this.inAnotherTurn(done, () => work(open));
  }

  /** After a power loss never. */
  private inAnotherTurn(done: Done, work: () => void): void {
    this.scheduler.endOfTurn(() => {
      if (this.crashed) return;
      try {
        work();
      } catch (error) {
        if (!(error instanceof PowerLoss)) done(error as Error);
        return;
      }
      done(null);
    });
  }
}

function failure(code: string, what: string): Error {
  return Object.assign(new Error(`${code}: ${what}`), { code });
}

function applyNameOp(names: Map<string, SimFile>, op: NameOp): void {
  if (op.kind === "create") names.set(op.name, op.file);
  else if (op.kind === "remove") names.delete(op.name);
  else {
    const file = names.get(op.from);
    if (file === undefined) return;
    names.delete(op.from);
    names.set(op.to, file);
  }
}

function keepStart(survivor: SimFile, { position, bytes }: PendingWrite, cut: number): void {
  survivor.apply("durable", { position, bytes: bytes.subarray(0, cut) });
}

type Fate = "lost" | "kept" | "torn";

function keepSome(survivor: SimFile, write: PendingWrite, random: Random): Fate {
  const fate = random.below(4);
  if (fate === 0) return "lost";
  if (fate === 1) {
    survivor.apply("durable", write);
    return "kept";
  }
  if (fate === 2) {
    keepStart(survivor, write, random.below(write.bytes.length + 1));
    return "torn";
  }
  const unit = random.below(2) === 0 ? SECTOR : SECTOR * 8;
  for (let at = 0; at < write.bytes.length; at += unit) {
    if (random.below(2) === 0) continue;
    survivor.apply("durable", { position: write.position + at, bytes: write.bytes.subarray(at, at + unit) });
  }
  return "torn";
}
