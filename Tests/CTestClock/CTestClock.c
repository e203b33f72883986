#define _GNU_SOURCE
#include "CTestClock.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SECOND INT64_C(1000000000)

// Nanoseconds of any year.
typedef __int128 wide;

// In microseconds.
static int64_t own_offset;
// NULL as long as nobody asked for another clock.
static _Atomic(const _Atomic int64_t *) offset;
static _Atomic int is_ready;

static _Noreturn void refuse(const char *reason) {
  static const char name[] = "snapmgr-test-clock: ";
  if (write(2, name, sizeof name - 1) >= 0 && write(2, reason, strlen(reason)) >= 0)
    (void)!write(2, "\n", 1);
  _exit(126);
}

// The system call itself: the C library's function is this library's own.
static int64_t read_clock(clockid_t clock) {
  struct timespec time;
  if (syscall(SYS_clock_gettime, clock, &time) != 0) refuse("there is no such clock");
  return (int64_t)time.tv_sec * SECOND + time.tv_nsec;
}

static const _Atomic int64_t *map(const char *path) {
  int descriptor = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) refuse("SNAPMGR_TEST_CLOCK cannot be opened");
  void *bytes = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, descriptor, 0);
  if (bytes == MAP_FAILED) refuse("SNAPMGR_TEST_CLOCK cannot be mapped");
  close(descriptor);
  return bytes;
}

// Others' constructors may ask for the time before this one runs. Two threads that come here at once
// find the same.
__attribute__((constructor)) static void begin(void) {
  if (is_ready) return;
  const char *path = getenv("SNAPMGR_TEST_CLOCK"), *start = getenv("SNAPMGR_TEST_CLOCK_START");
  if (path && *path) {
    offset = map(path);
  } else if (start && *start) {
    own_offset = strtoll(start, NULL, 10) * 1000000 - read_clock(CLOCK_MONOTONIC) / 1000;
    offset = (const _Atomic int64_t *)&own_offset;
  }
  is_ready = 1;
}

static wide wall_clock(void) {
  if (!is_ready) begin();
  return offset ? read_clock(CLOCK_MONOTONIC) + (wide)*offset * 1000 : read_clock(CLOCK_REALTIME);
}

// Rounds down before 1970, too: nanoseconds are never negative.
static struct timespec wall_time(void) {
  wide now = wall_clock(), rest = now % SECOND;
  if (rest < 0) rest += SECOND;
  return (struct timespec){.tv_sec = (time_t)((now - rest) / SECOND), .tv_nsec = (long)rest};
}

int clock_gettime(clockid_t clock, struct timespec *time) {
  static int (*real)(clockid_t, struct timespec *);
  if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
  if (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE) return real(clock, time);
  *time = wall_time();
  return 0;
}

int timespec_get(struct timespec *time, int base) {
  if (base != TIME_UTC || clock_gettime(CLOCK_REALTIME, time) != 0) return 0;
  return base;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
  if (zone) *(struct timezone *)zone = (struct timezone){0, 0};
  struct timespec now = wall_time();
  *time = (struct timeval){.tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000};
  return 0;
}

time_t time(time_t *result) {
  time_t now = wall_time().tv_sec;
  if (result) *result = now;
  return now;
}

// Whoever waits until a moment has computed it from this clock; the kernel knows the true one only.
int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict deadline) {
  static int (*real)(sem_t *, const struct timespec *);
  if (!real) real = (int (*)(sem_t *, const struct timespec *))dlsym(RTLD_NEXT, "sem_timedwait");
  if (deadline->tv_nsec < 0 || deadline->tv_nsec >= SECOND) return real(semaphore, deadline);
  wide rest = (wide)deadline->tv_sec * SECOND + deadline->tv_nsec - wall_clock();
  wide moment = read_clock(CLOCK_REALTIME) + rest;
  if (moment < 0) moment = 0;
  struct timespec translated = {.tv_sec = (time_t)(moment / SECOND), .tv_nsec = (long)(moment % SECOND)};
  return real(semaphore, &translated);
}
