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
  private readonly handles = new Map<FileHandle, { file: MemoryFile; readonly: boolean }>();
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
      if (file !== undefined) throw failure("EEXIST", name);
      file = new MemoryFile();
      this.files.set(name, file);
    }
    if (file === undefined) throw failure("ENOENT", name);
    const handle = this.nextHandle++;
    this.handles.set(handle, { file, readonly: options.readonly === true });
    return handle;
  }

  /** @param writing as the real disk, a handle that is for reading refuses. */
  private file(handle: FileHandle, writing = false): MemoryFile {
    const found = this.handles.get(handle);
    if (found === undefined || (writing && found.readonly)) throw failure("EBADF", String(handle));
    return found.file;
  }

  close(handle: FileHandle): void {
    if (!this.handles.delete(handle)) throw failure("EBADF", String(handle));
  }

  size(handle: FileHandle): number {
    return this.file(handle).size;
  }

  read(handle: FileHandle, into: Buffer, at: number, length: number, position: number): number {
    const file = this.file(handle);
    const bytes = Math.min(length, file.size - position);
    if (bytes <= 0) return 0;
    file.bytes.copy(into, at, position, position + bytes);
    return bytes;
  }

  write(handle: FileHandle, from: Buffer, at: number, length: number, position: number): void {
    const file = this.file(handle, true);
    if (length === 0) return;
    file.ensure(position + length);
    from.copy(file.bytes, position, at, at + length);
  }

  sync(handle: FileHandle): void {
    this.file(handle);
  }

  truncate(handle: FileHandle, bytes: number): void {
    const file = this.file(handle, true);
    file.ensure(bytes);
    file.bytes.fill(0, bytes, file.size);
    file.size = bytes;
  }

  rename(from: string, to: string): void {
    const file = this.files.get(from);
    if (file === undefined) throw failure("ENOENT", from);
    this.files.delete(from);
    this.files.set(to, file);
  }

  remove(name: string): void {
    if (!this.files.delete(name)) throw failure("ENOENT", name);
  }

  syncDirectory(): void {}

  freeBytes(): number {
    return Number.POSITIVE_INFINITY;
  }

  writeAsync(handle: FileHandle, from: Buffer, at: number, length: number, position: number, done: Done): void {
    this.soon(done, () => this.write(handle, from, at, length, position));
  }

  syncAsync(handle: FileHandle, done: Done): void {
    this.soon(done, () => this.sync(handle));
  }

  /** The work at once, what came of it in another turn. */
  private soon(done: Done, work: () => void): void {
    let error: Error | null = null;
    try {
      work();
    } catch (thrown) {
      error = thrown as Error;
    }
    this.scheduler.endOfTurn(() => done(error));
  }

  removeAsync(name: string, done: Done): void {
    this.scheduler.endOfTurn(() => {
      try {
        this.remove(name);
      } catch (error) {
        return done(error as Error);
      }
      done(null);
    });
  }
}

function failure(code: string, what: string): Error {
  return Object.assign(new Error(`${code}: ${what}`), { code });
}
