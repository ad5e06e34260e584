/**
 * platform/memory-disk.ts: the Disk port in memory, for embedding without a directory and for tests. Nothing outlives the process.
 */
import type { Disk, Done, FileHandle } from "../ports/disk.js";
import type { Scheduler } from "../ports/scheduler.js";

class MemoryFile {
  bytes: Buffer = Buffer.alloc(0);
  size = 0;

  ensure(size: number): void {
    if (size > this.bytes.length) {
      const bigger = Buffer.alloc(Math.max(size, Math.min(this.bytes.length * 2, this.bytes.length + (16 << 20))));
      this.bytes.copy(bigger, 0, 0, this.size);
      this.bytes = bigger;
    }
    if (size > this.size) this.size = size;
  }
}

export class MemoryDisk implements Disk {
  private readonly files = new Map<string, MemoryFile>();
  private readonly handles = new Map<FileHandle, MemoryFile>();
  private nextHandle = 1;
  private readonly scheduler: Scheduler;

  constructor(scheduler: Scheduler) {
    this.scheduler = scheduler;
  }

  /** The same files under another scheduler: what a restart after a kill finds. */
  clone(scheduler: Scheduler): MemoryDisk {
    const copy = new MemoryDisk(scheduler);
    for (const [name, file] of this.files) {
      const twin = new MemoryFile();
      twin.bytes = Buffer.from(file.bytes);
      twin.size = file.size;
      copy.files.set(name, twin);
    }
    return copy;
  }

  list(): string[] {
    return [...this.files.keys()];
  }

  exists(name: string): boolean {
    return this.files.has(name);
  }

  open(name: string, options: { create?: boolean; durable?: boolean; readonly?: boolean }): FileHandle {
    let file = this.files.get(name);
    if (options.create) {
      if (file !== undefined) throw Object.assign(new Error(`EEXIST: ${name}`), { code: "EEXIST" });
      file = new MemoryFile();
      this.files.set(name, file);
    }
    if (file === undefined) throw Object.assign(new Error(`ENOENT: ${name}`), { code: "ENOENT" });
    const handle = this.nextHandle++;
    this.handles.set(handle, file);
    return handle;
  }

  private file(handle: FileHandle): MemoryFile {
    const file = this.handles.get(handle);
    if (file === undefined) throw Object.assign(new Error("EBADF"), { code: "EBADF" });
    return file;
  }

  close(handle: FileHandle): void {
    this.handles.delete(handle);
  }

  size(handle: FileHandle): number {
    return this.file(handle).size;
  }

  read(handle: FileHandle, into: Buffer, at: number, length: number, position: number): number {
    const file = this.file(handle);
    const bytes = Math.max(0, Math.min(length, file.size - position));
    file.bytes.copy(into, at, position, position + bytes);
    return bytes;
  }

  write(handle: FileHandle, from: Buffer, at: number, length: number, position: number): void {
    const file = this.file(handle);
    file.ensure(position + length);
    from.copy(file.bytes, position, at, at + length);
  }

  sync(_handle: FileHandle): void {}

  truncate(handle: FileHandle, bytes: number): void {
    const file = this.file(handle);
    file.ensure(bytes);
    file.bytes.fill(0, bytes, file.size);
    file.size = bytes;
  }

  rename(from: string, to: string): void {
    const file = this.files.get(from);
    if (file === undefined) throw Object.assign(new Error(`ENOENT: ${from}`), { code: "ENOENT" });
    this.files.delete(from);
    this.files.set(to, file);
  }

  remove(name: string): void {
    if (!this.files.delete(name)) throw Object.assign(new Error(`ENOENT: ${name}`), { code: "ENOENT" });
  }

  syncDirectory(): void {}

  freeBytes(): number {
    return Number.POSITIVE_INFINITY;
  }

  writeAsync(handle: FileHandle, from: Buffer, at: number, length: number, position: number, done: Done): void {
    this.write(handle, from, at, length, position);
    this.scheduler.endOfTurn(() => done(null));
  }

  syncAsync(_handle: FileHandle, done: Done): void {
    this.scheduler.endOfTurn(() => done(null));
  }

  removeAsync(name: string, done: Done): void {
    this.remove(name);
    this.scheduler.endOfTurn(() => done(null));
  }
}
