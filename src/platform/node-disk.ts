/**
 * platform/node-disk.ts: the Disk port on the real file system.
 * Invariants: every short write is continued until done or refused; every path stays inside the directory.
 */
import fs from "node:fs";
import path from "node:path";
import type { Disk, Done, FileHandle } from "../ports/disk.js";
import { makeDirectorySync } from "./make-directory.js";
import { limitOf } from "./process-limits.js";

const { O_CREAT, O_EXCL, O_RDONLY, O_RDWR } = fs.constants;
/** A pipe with the name of a file must not hold us up until it is refused. Windows has none. */
const O_NONBLOCK: number = fs.constants.O_NONBLOCK ?? 0;
/** Windows has no O_DSYNC; there a durable handle syncs after each write. */
const O_DSYNC: number = fs.constants.O_DSYNC ?? 0;

export class NodeDisk implements Disk {
  readonly directory: string;
  private readonly fileBytesMax: number = limitOf("Max file size");
  private readonly syncAfterWrite = new Set<FileHandle>();

  /** @param directory made when missing, with its parents. */
  constructor(directory: string) {
    this.directory = path.resolve(directory);
    makeDirectorySync(this.directory);
  }

  private path(name: string): string {
    return path.join(this.directory, path.basename(name));
  }

  list(): string[] {
    return fs.readdirSync(this.directory);
  }

  exists(name: string): boolean {
    return fs.existsSync(this.path(name));
  }

  open(name: string, options: { create?: boolean; durable?: boolean; readonly?: boolean }): FileHandle {
    let flags = (options.readonly ? O_RDONLY : O_RDWR) | O_NONBLOCK;
    if (options.create) flags |= O_CREAT | O_EXCL;
    if (options.durable) flags |= O_DSYNC;
    const file = fs.openSync(this.path(name), flags, 0o600);
    if (!fs.fstatSync(file).isFile()) {
      fs.closeSync(file);
      throw Object.assign(new Error(`${this.path(name)} is not a file`), { code: "EISDIR" });
    }
    if (options.durable && O_DSYNC === 0) this.syncAfterWrite.add(file);
    return file;
  }

  close(file: FileHandle): void {
    this.syncAfterWrite.delete(file);
    try {
      fs.closeSync(file);
    } catch (error) {
      // Any other says that something written before could not be kept; the descriptor is gone either way.
      if ((error as NodeJS.ErrnoException).code === "EBADF") throw error;
    }
  }

  size(file: FileHandle): number {
    return fs.fstatSync(file).size;
  }

  read(file: FileHandle, into: Buffer, at: number, length: number, position: number): number {
    let total = 0;
    while (total < length) {
      const bytes = fs.readSync(file, into, at + total, length - total, position + total);
      if (bytes === 0) break;
      total += bytes;
    }
    return total;
  }

  write(file: FileHandle, from: Buffer, at: number, length: number, position: number): void {
    let total = 0;
    while (total < length) {
      const bytes = fs.writeSync(file, from, at + total, length - total, position + total);
      if (bytes === 0) throw new Error("write made no progress");
      total += bytes;
    }
    if (this.syncAfterWrite.has(file)) fs.fdatasyncSync(file);
  }

  sync(file: FileHandle): void {
    fs.fdatasyncSync(file);
  }

  truncate(file: FileHandle, bytes: number): void {
    fs.ftruncateSync(file, bytes);
  }

  rename(from: string, to: string): void {
    fs.renameSync(this.path(from), this.path(to));
  }

  remove(name: string): void {
    fs.unlinkSync(this.path(name));
  }

  syncDirectory(): void {
    if (process.platform === "win32") return; // directories cannot be synced there; NTFS journals names
    const directory = fs.openSync(this.directory, O_RDONLY);
    try {
      fs.fsyncSync(directory);
    } finally {
      fs.closeSync(directory);
    }
  }

  freeBytes(): number {
    try {
      const stats = fs.statfsSync(this.directory);
      return Math.min(stats.bavail * stats.bsize, this.fileBytesMax);
    } catch {
      return this.fileBytesMax; // not every file system tells; then the write itself will
    }
  }

  writeAsync(file: FileHandle, from: Buffer, at: number, length: number, position: number, done: Done): void {
    fs.write(file, from, at, length, position, (error, bytes) => {
      if (error) done(error);
      else if (bytes === 0 && length > 0) done(new Error("write made no progress"));
      else if (bytes < length) this.writeAsync(file, from, at + bytes, length - bytes, position + bytes, done);
      else if (this.syncAfterWrite.has(file)) fs.fdatasync(file, done);
      else done(null);
    });
  }

  syncAsync(file: FileHandle, done: Done): void {
    fs.fdatasync(file, done);
  }

  removeAsync(name: string, done: Done): void {
    fs.unlink(this.path(name), done);
  }
}
