/**
 * platform/backup-directory.ts: the BackupTarget port on the real file system: a directory under a temporary name beside the
 * final one, renamed when everything in it is synced. Copies run off the loop, a megabyte at a time.
 * Invariants: those of ports/backup-target.ts; nothing that was there before is ever removed or written over. A process that
 * dies leaves `NAME.partial-*` behind, which nothing takes for a backup; so does a removal that fails. What is removed may be
 * tens of GiB: that is not done on the loop either.
 */
import { randomBytes } from "node:crypto";
import { type FileHandle, link, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import path from "node:path";
import type { BackupTarget, FileDone } from "../ports/backup-target.js";
import { makeDirectory } from "./make-directory.js";

const COPY_BYTES = 1 << 20;

export class BackupDirectory implements BackupTarget {
  private readonly source: string;
  private readonly final: string;
  private readonly partial: string;
  private abandoned = false;
  /** A call is under way. */
  private working = false;
  /** Of abandon(), until it is called. */
  private gone: ((error: Error | null) => void) | undefined;
  private begun = false;
  /** The uppermost parent that had to be made. */
  private firstMade: string | undefined;

  /** @param source the data directory. @param final where the backup shall be: absent or empty, its parent is made if need be. */
  constructor(source: string, final: string) {
    this.source = path.resolve(source);
    this.final = path.resolve(final);
    this.partial = `${this.final}.partial-${randomBytes(6).toString("hex")}`;
  }

  begin(done: (error: Error | null) => void): void {
    this.run(async () => {
      await requireEmpty(this.final);
      this.firstMade = await makeDirectory(path.dirname(this.final));
      await mkdir(this.partial, { mode: 0o700 });
      this.begun = true;
    }, done);
  }

  link(name: string, done: FileDone): void {
    this.run(async () => {
      const from = path.join(this.source, path.basename(name));
      try {
        await link(from, this.at(name));
      } catch {
        // Another file system, or one without links: whatever the reason, a copy is as good, and meets every real trouble itself.
        const { size } = await stat(from);
        return this.copyFile(from, name, size, size);
      }
      return (await stat(this.at(name))).size;
    }, done);
  }

  copy(name: string, bytes: number, fileBytes: number, done: FileDone): void {
    this.run(() => this.copyFile(path.join(this.source, path.basename(name)), name, bytes, fileBytes), done);
  }

  write(name: string, contents: Buffer, done: FileDone): void {
    this.run(async () => {
      const to = await open(this.at(name), "wx", 0o600);
      try {
        await writeAll(to, contents, contents.length, 0);
        await to.sync();
      } finally {
        await to.close();
      }
      return contents.length;
    }, done);
  }

  commit(done: (error: Error | null) => void): void {
    this.run(async () => {
      await syncDirectory(this.partial);
      await requireEmpty(this.final);
      // POSIX replaces an empty directory, Windows does not.
      if (process.platform === "win32") await rm(this.final, { recursive: false, force: true });
      await rename(this.partial, this.final);
      this.begun = false;
      const top = path.dirname(this.firstMade ?? this.final);
      for (let parent = path.dirname(this.final); ; parent = path.dirname(parent)) {
        await syncDirectory(parent);
        if (parent === top || parent === path.dirname(parent)) break;
      }
    }, done);
  }

  abandon(done: (error: Error | null) => void): void {
    this.abandoned = true;
    this.gone = done;
    // What is still being written would come after.
    if (!this.working) this.clear();
  }

  private clear(): void {
    const { gone } = this;
    if (gone === undefined) return;
    this.gone = undefined;
    const removed = this.begun ? rm(this.partial, { recursive: true, force: true }) : Promise.resolve();
    removed.then(
      () => void setImmediate(gone, null),
      (error: Error) => void setImmediate(gone, error),
    );
  }

  private at(name: string): string {
    return path.join(this.partial, path.basename(name));
  }

  /** Run `work`, then `done`, whose own errors are not the work's. */
  private run<T>(work: () => Promise<T>, done: (error: Error | null, result: T) => void): void {
    const after = (error: Error | null, result: T): void => {
      this.working = false;
      if (this.abandoned) this.clear();
      done(error ?? (this.abandoned ? new Error("abandoned") : null), result);
    };
    this.working = true;
    // Off the promise's chain, so that what `done` throws is an error of the program and not one of the disk.
    work().then(
      (result) => void setImmediate(after, null, result),
      (error: Error) => void setImmediate(after, error, undefined as T),
    );
  }

  private async copyFile(source: string, name: string, bytes: number, fileBytes: number): Promise<number> {
    const from = await open(source, "r");
    try {
      const to = await open(this.at(name), "wx", 0o600);
      try {
        await this.copyBytes(from, to, bytes);
        // Zeros that take no room where the file system knows holes.
        if (fileBytes > bytes) await to.truncate(fileBytes);
        await to.sync();
      } finally {
        await to.close();
      }
    } finally {
      await from.close();
    }
    return fileBytes;
  }

  private async copyBytes(from: FileHandle, to: FileHandle, bytes: number): Promise<void> {
    const chunk = Buffer.allocUnsafe(Math.min(COPY_BYTES, Math.max(1, bytes)));
    for (let at = 0; at < bytes; ) {
      if (this.abandoned) throw new Error("abandoned");
      const { bytesRead } = await from.read(chunk, 0, Math.min(chunk.length, bytes - at), at);
      if (bytesRead === 0) throw new Error(`a file of the data directory ends at byte ${at}, not ${bytes}`);
      await writeAll(to, chunk, bytesRead, at);
      at += bytesRead;
    }
  }
}

async function writeAll(to: FileHandle, from: Buffer, bytes: number, position: number): Promise<void> {
  for (let at = 0; at < bytes; ) {
    const { bytesWritten } = await to.write(from, at, bytes - at, position + at);
    if (bytesWritten === 0) throw new Error("write made no progress");
    at += bytesWritten;
  }
}

async function requireEmpty(directory: string): Promise<void> {
  let names: string[];
  try {
    names = await readdir(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw error;
  }
  if (names.length > 0) throw new Error(`${directory} is not empty`);
}

async function syncDirectory(directory: string): Promise<void> {
  if (process.platform === "win32") return; // directories cannot be synced there; NTFS journals names
  const handle = await open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
