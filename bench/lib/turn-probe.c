/*
 * bench/lib/turn-probe.c: the CPU time of every turn of an event loop, measured from inside the process without its knowing:
 * preloaded, it stands round epoll_wait and epoll_pwait, where a loop waits between turns.
 * A turn is what the main thread does from one return of epoll to the next call of it, counted in the thread's own CPU clock
 * (CLOCK_THREAD_CPUTIME_ID): time in which the thread did not run does not count.
 * Invariants: only the main thread is counted; figures lie in a file mapped by this process and read by the bench, as
 * 64-bit little-endian words: turns, longest (ns), turns over the limit, total (ns), limit (ns, written by the bench).
 * Limits: a hypervisor that takes the processor away without the kernel's notice makes a turn longer than it was, and so
 * does interrupt work done on the thread's account; more than 1024 events at once make libuv poll again within one turn, which
 * is then counted as two.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct figures {
  volatile uint64_t turns, longest, over, total, limit;
};

static struct figures *figures;
static pid_t owner;
static __thread int is_main; /* 0 = not known yet */
static __thread uint64_t began;

__attribute__((constructor)) static void map_file(void) {
  const char *path = getenv("BENCH_TURN_FILE");
  if (path == NULL) return;
  int fd = open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) return;
  void *at = mmap(NULL, sizeof(struct figures), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (at == MAP_FAILED) return;
  figures = at;
  owner = getpid();
}

static uint64_t thread_cpu(void) {
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int counts(void) {
  if (figures == NULL) return 0;
  if (is_main == 0) is_main = syscall(SYS_gettid) == owner && getpid() == owner ? 1 : -1;
  return is_main == 1;
}

static void turn_ends(void) {
  if (!counts() || began == 0) return;
  uint64_t spent = thread_cpu() - began;
  figures->turns++;
  figures->total += spent;
  if (spent > figures->longest) figures->longest = spent;
  if (spent > figures->limit) figures->over++;
}

static void turn_begins(void) {
  if (counts()) began = thread_cpu();
}

int epoll_wait(int fd, struct epoll_event *events, int most, int timeout) {
  static int (*real)(int, struct epoll_event *, int, int);
  if (real == NULL) real = (int (*)(int, struct epoll_event *, int, int))dlsym(RTLD_NEXT, "epoll_wait");
  turn_ends();
  int count = real(fd, events, most, timeout);
  turn_begins();
  return count;
}

int epoll_pwait(int fd, struct epoll_event *events, int most, int timeout, const sigset_t *mask) {
  static int (*real)(int, struct epoll_event *, int, int, const sigset_t *);
  if (real == NULL) {
    real = (int (*)(int, struct epoll_event *, int, int, const sigset_t *))dlsym(RTLD_NEXT, "epoll_pwait");
  }
  turn_ends();
  int count = real(fd, events, most, timeout, mask);
  turn_begins();
  return count;
}
