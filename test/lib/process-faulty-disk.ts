/**
 * test/lib/process-faulty-disk.ts: a library put between a server and the C library (LD_PRELOAD) that fails writes and syncs of its log
 * files once the test says so, and a file system of a given size. Both say loudly when they cannot be had.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const COMPILER = "/usr/bin/gcc";
const MOUNT = "/usr/bin/mount";
const UMOUNT = "/usr/bin/umount";

/**
 * What fails from now on: writes with EIO; syncs with EIO; one write ends half-way and all others find the disk full; or nothing,
 * but each write takes SLOW_MS.
 */
export type Fault = "write" | "sync" | "short" | "slow";
export const SLOW_MS = 150;

const SOURCE = `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/uio.h>

static int has(char word) {
  const char *flag = getenv("FAULT_FLAG");
  int fd = flag == NULL ? -1 : open(flag, O_RDONLY | O_CLOEXEC);
  char first = 0;
  if (fd < 0) return 0;
  ssize_t got = read(fd, &first, 1);
  close(fd);
  return got == 1 && first == word;
}

static int ours(int fd) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length <= 0) return 0;
  path[length] = 0;
  return strstr(path, "/wal-") != NULL && strstr(path, ".log") != NULL;
}

static int cut = 0;
/* -2: go on; else the result. */
static ssize_t judge(int fd, size_t *count) {
  if (!ours(fd)) return -2;
  if (has('d')) usleep(SLOW_US);
  if (has('w')) { errno = EIO; return -1; }
  if (has('s')) {
    /* An odd number of bytes: it ends inside a sector. */
    size_t half = *count / 2 | 1;
    if (cut) { errno = ENOSPC; return -1; }
    cut = 1;
    *count = half;
  }
  return -2;
}

#define NEXT(name) ({ static __typeof__(name) *next; if (next == NULL) next = dlsym(RTLD_NEXT, #name); next; })

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) {
  ssize_t verdict = judge(fd, &count);
  return verdict == -2 ? NEXT(pwrite)(fd, bytes, count, at) : verdict;
}
ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at) {
  ssize_t verdict = judge(fd, &count);
  return verdict == -2 ? NEXT(pwrite64)(fd, bytes, count, at) : verdict;
}
int fdatasync(int fd) {
  if (ours(fd) && has('f')) { errno = EIO; return -1; }
  return NEXT(fdatasync)(fd);
}
int fsync(int fd) {
  if (ours(fd) && has('f')) { errno = EIO; return -1; }
  return NEXT(fsync)(fd);
}
`;

export class FaultyDisk {
  private readonly dir: string;
  private readonly library: string;
  private readonly flag: string;

  private constructor(dir: string) {
    this.dir = dir;
    this.library = join(dir, "faulty.so");
    this.flag = join(dir, "flag");
  }

  /** @returns undefined, said loudly, without a compiler. */
  static make(): FaultyDisk | undefined {
    if (process.platform !== "linux" || !existsSync(COMPILER)) {
      console.log("SKIPPED: gcc is not installed");
      return undefined;
    }
    const disk = new FaultyDisk(mkdtempSync(join(tmpdir(), "kvorum-fault-")));
    const source = join(disk.dir, "faulty.c");
    writeFileSync(source, SOURCE);
    execFileSync(
      COMPILER,
      ["-shared", "-fPIC", `-DSLOW_US=${SLOW_MS * 1000}`, "-O1", "-o", disk.library, source, "-ldl"],
      { timeout: 60_000 },
    );
    return disk;
  }

  /** Environment of the server it is put under. */
  get env(): Record<string, string> {
    return { LD_PRELOAD: this.library, FAULT_FLAG: this.flag };
  }

  fail(fault: Fault): void {
    writeFileSync(this.flag, { write: "w", sync: "f", short: "s", slow: "d" }[fault]);
  }

  heal(): void {
    rmSync(this.flag, { force: true });
  }

  remove(): void {
    rmSync(this.dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
  }
}

export class SmallFileSystem {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** @returns undefined, said loudly, where nothing can be mounted. */
  static mount(megabytes: number): SmallFileSystem | undefined {
    const path = mkdtempSync(join(tmpdir(), "kvorum-mount-"));
    try {
      execFileSync(MOUNT, ["-t", "tmpfs", "-o", `size=${megabytes}m`, "tmpfs", path], {
        stdio: "pipe",
        timeout: 60_000,
      });
    } catch (error) {
      console.log(`SKIPPED: cannot mount a small file system: ${(error as Error).message.split("\n")[1] ?? ""}`);
      rmSync(path, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
      return undefined;
    }
    mkdirSync(join(path, "data"));
    return new SmallFileSystem(path);
  }

  resize(megabytes: number): void {
    execFileSync(MOUNT, ["-o", `remount,size=${megabytes}m`, this.path], { timeout: 60_000 });
  }

  unmount(): void {
    execFileSync(UMOUNT, [this.path], { timeout: 60_000 });
    rmSync(this.path, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
  }
}
