/**
 * ports/backup-target.ts: a directory that a backup is written into, beside the data directory. Served by
 * platform/backup-directory.ts with the real file system.
 * Invariants: nothing lies under the final name before commit() ended well, and then everything does, synced; commit() and
 * abandon() end the target. Calls come one at a time. `done` is never called inside the call.
 */

/** @param bytes how long the file in the backup is. */
export type FileDone = (error: Error | null, bytes: number) => void;

export interface BackupTarget {
  /** Make it, under a temporary name. Fails when there is something under the final name. */
  begin(done: (error: Error | null) => void): void;
  /** A file of the data directory that will never be written to again: by a hard link where that goes, else copied and synced. */
  link(name: string, done: FileDone): void;
  /** The first `bytes` bytes of a file of the data directory, and zeros up to `fileBytes`: copied, synced. It fails when the file is shorter. */
  copy(name: string, bytes: number, fileBytes: number, done: FileDone): void;
  /** A new file, synced. `contents` must not change until `done`. */
  write(name: string, contents: Buffer, done: FileDone): void;
  /** Sync the directory and give it its name, durably. */
  commit(done: (error: Error | null) => void): void;
  /**
   * Take away what was written. Also between a call and its `done`, which then hears an error. `done` hears when it is gone, or why it is not:
   * a directory that took no file often gives none back either.
   */
  abandon(done: (error: Error | null) => void): void;
}
