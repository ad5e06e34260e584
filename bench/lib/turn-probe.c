/*
 * bench/lib/turn-probe.c: the CPU time of every turn of an event loop, measured from inside the process without its knowing:
 * preloaded, it stands round epoll_wait and epoll_pwait, where a loop waits between turns.
 * A turn is what the main thread does from one return of epoll to the next call of it, counted in the thread's own CPU clock
 * (CLOCK_THREAD_CPUTIME_ID): time in which the thread did not run does not count.
 * A hypervisor that takes the processor away without the kernel's notice lets that clock run on: a turn of 2 ms then counts 20. So the
 * thread is sampled too, every 0.2 ms of its clock (perf_event_open, software clock): a processor that is away takes no samples. The
 * longest turn by samples is what the loop did; that by the clock is what it may have done. Where sampling is not allowed, samples are -1.
 * Invariants: only the main thread is counted; figures lie in a file mapped by this process and read by the bench, as
 * 64-bit little-endian words: turns, longest (ns), turns over the limit, total (ns), limit (ns, written by the bench),
 * longest by samples (ns), turns over the limit by samples, 1 if samples are taken.
 * Limits: interrupt work done on the thread's account counts; samples tell 0.2 ms more or less, and the kernel may put several that are
 * late together; more than 1024 events at once make libuv poll again within one turn, which is then counted as two.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct figures {
  volatile uint64_t turns, longest, over, total, limit, longest_sampled, over_sampled, sampled;
};

#define SAMPLE_NS 200000u
#define RING_PAGES 64

static struct figures *figures;
static pid_t owner;
static __thread int is_main; /* 0 = not known yet */
static __thread uint64_t began;
static struct perf_event_mmap_page *ring;

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

/* A record without any field: its header, 8 bytes. The page behind the first is never read. */
static void begin_sampling(void) {
  struct perf_event_attr attr;
  memset(&attr, 0, sizeof attr);
  attr.size = sizeof attr;
  attr.type = PERF_TYPE_SOFTWARE;
  attr.config = PERF_COUNT_SW_CPU_CLOCK;
  attr.sample_period = SAMPLE_NS;
  int fd = (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
  if (fd < 0) return;
  void *at = mmap(NULL, (RING_PAGES + 1) * (size_t)getpagesize(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (at == MAP_FAILED) return;
  ring = at;
  figures->sampled = 1;
}

/* Samples since the last call. */
static uint64_t take_samples(void) {
  if (ring == NULL) return 0;
  uint64_t head = __atomic_load_n(&ring->data_head, __ATOMIC_ACQUIRE);
  uint64_t taken = (head - ring->data_tail) / sizeof(struct perf_event_header);
  __atomic_store_n(&ring->data_tail, head, __ATOMIC_RELEASE);
  return taken;
}

static uint64_t thread_cpu(void) {
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int counts(void) {
  if (figures == NULL) return 0;
  if (is_main == 0) {
    is_main = syscall(SYS_gettid) == owner && getpid() == owner ? 1 : -1;
    if (is_main == 1) begin_sampling();
  }
  return is_main == 1;
}

static void turn_ends(void) {
  if (!counts() || began == 0) return;
  uint64_t spent = thread_cpu() - began;
  figures->turns++;
  figures->total += spent;
  if (spent > figures->longest) figures->longest = spent;
  if (spent > figures->limit) figures->over++;
  uint64_t sampled = take_samples() * SAMPLE_NS;
  if (sampled > figures->longest_sampled) figures->longest_sampled = sampled;
  if (sampled > figures->limit) figures->over_sampled++;
}

static void turn_begins(void) {
  if (!counts()) return;
  take_samples();
  began = thread_cpu();
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
