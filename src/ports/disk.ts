/**
 * ports/disk.ts: the files of one data directory. Names are plain file names in it.
 * platform/node-disk.ts serves it with the real file system, platform/memory-disk.ts from memory, test/sim with faults.
 * Invariants that callers rely on: what was written and then synced survives power loss; a file's name survives once syncDirectory
 * returned after its making or renaming; a write to a handle opened `durable` is synced when it returns. Anything else
 * may be kept, lost or torn at sectors of 512 bytes, in any order.
 * Errors: synchronous calls throw, asynchronous ones call back, with the system's error (ENOENT, EEXIST, EBADF, ENOSPC, EIO as `code`).
 * Nobody but the wrapper that latches may catch one from a write or a sync to carry on; it makes a DiskError of it.
 * Asked of every implementation by test/conformance/disk.test.ts.
 */

export type FileHandle = number;
export type Done = (error: Error | null) => void;

export interface Disk {
  /** Names in the directory, in no order. */
  list(): string[];
  exists(name: string): boolean;
  /** Open for reading and writing. `create`: make it, or fail when it is there. `durable`: every write is a synced write (O_DSYNC). */
  open(name: string, options: { create?: boolean; durable?: boolean; readonly?: boolean }): FileHandle;
  /** Throws for a handle that is not open only: whatever is to be kept was synced before, so a disk that complains at the end is too late. */
  close(file: FileHandle): void;
  size(file: FileHandle): number;
  /** @returns bytes read: fewer than asked only at the end of the file. */
  read(file: FileHandle, into: Buffer, at: number, length: number, position: number): number;
  /** All of it, or an error (a short write is continued; what stops it is the error). */
  write(file: FileHandle, from: Buffer, at: number, length: number, position: number): void;
  sync(file: FileHandle): void;
  truncate(file: FileHandle, bytes: number): void;
  rename(from: string, to: string): void;
  remove(name: string): void;
  syncDirectory(): void;
  /** Bytes that a new file can have: what is free for us on the file system, or the largest file that is allowed; Infinity when it cannot be told. */
  freeBytes(): number;

  /** As write and sync, off the caller's thread. `from` must not change until `done`. One caller's calls may run at the same time. */
  writeAsync(file: FileHandle, from: Buffer, at: number, length: number, position: number, done: Done): void;
  syncAsync(file: FileHandle, done: Done): void;
  /** As remove, off the caller's thread. The name must not be used for anything else until `done`. */
  removeAsync(name: string, done: Done): void;
}
