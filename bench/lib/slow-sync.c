/*
 * bench/lib/slow-sync.c: makes a disk's syncs slower by a fixed time: fsync, fdatasync, sync_file_range, msync, and every
 * write to a descriptor opened O_DSYNC or O_SYNC. Preloaded (LD_PRELOAD) into kvorum and redis-server alike.
 * Invariants: the real call is made first, and its result and errno are what the caller sees; the sleep takes no CPU.
 * The descriptor is asked on each write (F_GETFL) and not remembered from open: libuv closes by a bare system call, so a
 * remembered mark could end up on somebody's socket. What goes round libc (io_uring, syscall(2)) is not seen: libuv's use
 * of io_uring is switched off by UV_USE_IO_URING=0, and the bench tests that every way of Node's is slowed.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>

static struct timespec delay;

__attribute__((constructor)) static void read_delay(void) {
  const char *text = getenv("BENCH_SYNC_DELAY_US");
  long micros = text == NULL ? 0 : atol(text);
  delay.tv_sec = micros / 1000000;
  delay.tv_nsec = micros % 1000000 * 1000;
}

static void wait_a_while(void) {
  int saved = errno;
  struct timespec left = delay;
  while (nanosleep(&left, &left) != 0 && errno == EINTR) {
  }
  errno = saved;
}

static void wait_if_synchronous(int fd) {
  int saved = errno;
  int flags = fcntl(fd, F_GETFL);
  errno = saved;
  /* O_SYNC holds O_DSYNC's bit. */
  if (flags >= 0 && (flags & O_DSYNC) != 0) wait_a_while();
}

/* The next definition of a function: libc's. Looked up once; two threads that do so together find the same. */
#define REAL(result, name, ...)                                                    \
  static result (*real)(__VA_ARGS__);                                              \
  if (real == NULL) real = (result(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

#define SYNC(name, params, types, args)                                            \
  int name params {                                                                \
    REAL(int, #name, types);                                                       \
    int result = real args;                                                        \
    wait_a_while();                                                                \
    return result;                                                                 \
  }
#define WRITE(name, params, types, args)                                           \
  ssize_t name params {                                                            \
    REAL(ssize_t, #name, types);                                                   \
    ssize_t result = real args;                                                    \
    wait_if_synchronous(fd);                                                       \
    return result;                                                                 \
  }
#define T(...) __VA_ARGS__

SYNC(fsync, (int fd), T(int), (fd))
SYNC(fdatasync, (int fd), T(int), (fd))
SYNC(sync_file_range, (int fd, off64_t from, off64_t bytes, unsigned flags), T(int, off64_t, off64_t, unsigned),
     (fd, from, bytes, flags))
SYNC(msync, (void *at, size_t bytes, int flags), T(void *, size_t, int), (at, bytes, flags))

WRITE(write, (int fd, const void *from, size_t bytes), T(int, const void *, size_t), (fd, from, bytes))
WRITE(pwrite, (int fd, const void *from, size_t bytes, off_t at), T(int, const void *, size_t, off_t),
      (fd, from, bytes, at))
WRITE(pwrite64, (int fd, const void *from, size_t bytes, off64_t at), T(int, const void *, size_t, off64_t),
      (fd, from, bytes, at))
WRITE(writev, (int fd, const struct iovec *parts, int count), T(int, const struct iovec *, int), (fd, parts, count))
WRITE(pwritev, (int fd, const struct iovec *parts, int count, off_t at), T(int, const struct iovec *, int, off_t),
      (fd, parts, count, at))
WRITE(pwritev64, (int fd, const struct iovec *parts, int count, off64_t at), T(int, const struct iovec *, int, off64_t),
      (fd, parts, count, at))
