#define _GNU_SOURCE
#include "CCrashPoint.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/dm-ioctl.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

enum { WORDS_MAXIMUM = 256 };

// What is shared with the processes that are forked later.
static struct shared {
  atomic_llong count;
  char words[2][WORDS_MAXIMUM];
} *shared;

static atomic_int armed_process;
static int64_t limit;
static enum snapmgr_crash crash;
static int sysrq = -1;

#define REAL(type, name, ...)             \
  static type (*real)(__VA_ARGS__);       \
  if (!real) real = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

static ssize_t write_really(int descriptor, const void *bytes, size_t count) {
  REAL(ssize_t, "write", int, const void *, size_t);
  return real(descriptor, bytes, count);
}

int snapmgr_crash_prepare(void) {
  if (shared) return 0;
  void *memory =
      mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return -1;
  shared = memory;
  return 0;
}

static int open_sysrq(void) {
  if (sysrq < 0) sysrq = open("/proc/sysrq-trigger", O_WRONLY | O_CLOEXEC);
  return sysrq < 0 ? -1 : 0;
}

int snapmgr_crash_arm(int64_t changes, enum snapmgr_crash kind) {
  if (snapmgr_crash_prepare() != 0) return -1;
  if (kind == SNAPMGR_CRASH_MACHINE && open_sysrq() != 0) return -1;
  memset(shared, 0, sizeof *shared);
  limit = changes;
  crash = kind;
  atomic_store(&armed_process, getpid());
  return 0;
}

void snapmgr_crash_disarm(void) { atomic_store(&armed_process, 0); }

void snapmgr_crash_machine(void) {
  if (open_sysrq() != 0) return;
  write_really(sysrq, "b", 1);
  for (;;) pause();
}

int64_t snapmgr_crash_count(void) { return shared ? atomic_load(&shared->count) : 0; }

const char *snapmgr_crash_last(void) {
  return shared ? shared->words[(atomic_load(&shared->count) + 1) % 2] : "";
}

const char *snapmgr_crash_before_last(void) {
  return shared ? shared->words[atomic_load(&shared->count) % 2] : "";
}

static int is_armed(void) {
  int process = atomic_load(&armed_process);
  return process != 0 && process == getpid();
}

// Counts one change, about to be made; does not return when it is not to be made.
static void pass(const char *verb, const char *object) {
  int saved = errno;
  int64_t index = atomic_fetch_add(&shared->count, 1);
  snprintf(shared->words[index % 2], WORDS_MAXIMUM, "%s %s", verb, object);
  if (index >= limit && crash == SNAPMGR_CRASH_PROCESS) {
    kill(getpid(), SIGKILL);
    for (;;) pause();
  }
  if (index >= limit && crash == SNAPMGR_CRASH_MACHINE) snapmgr_crash_machine();
  errno = saved;
}

static void pass_descriptor(const char *verb, int descriptor) {
  char link[64], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  ssize_t length = readlink(link, path, sizeof path - 1);
  path[length < 0 ? 0 : length] = '\0';
  // Standard output, sockets and pipes are not storage.
  if (path[0] == '/' && strncmp(path, "/dev/tty", 8) != 0) pass(verb, path);
}

// A name in an open folder, by its whole path.
static void pass_name(const char *verb, int folder, const char *name) {
  char link[64], path[PATH_MAX];
  if (folder == AT_FDCWD || name[0] == '/') {
    pass(verb, name);
    return;
  }
  snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
  ssize_t length = readlink(link, path, sizeof path - 1);
  path[length < 0 ? 0 : length] = '\0';
  strncat(path, "/", sizeof path - strlen(path) - 1);
  strncat(path, name, sizeof path - strlen(path) - 1);
  pass(verb, path);
}

static int opened(int (*real)(const char *, int, ...), const char *path, int flags, mode_t mode) {
  if (flags & (O_CREAT | O_TRUNC) && is_armed()) pass("open for change", path);
  return real(path, flags, mode);
}

#define OPEN(name)                                                 \
  int name(const char *path, int flags, ...) {                     \
    REAL(int, #name, const char *, int, ...);                      \
    va_list arguments;                                             \
    va_start(arguments, flags);                                    \
    mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0; \
    va_end(arguments);                                             \
    return opened(real, path, flags, mode);                        \
  }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                               \
  int name(int folder, const char *path, int flags, ...) {                         \
    REAL(int, #name, int, const char *, int, ...);                                 \
    va_list arguments;                                                             \
    va_start(arguments, flags);                                                    \
    mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;                 \
    va_end(arguments);                                                             \
    if (flags & (O_CREAT | O_TRUNC) && is_armed()) pass_name("open for change", folder, path); \
    return real(folder, path, flags, mode);                                        \
  }
OPENAT(openat)
OPENAT(openat64)

#define PWRITE(name)                                                            \
  ssize_t name(int descriptor, const void *bytes, size_t count, off_t offset) { \
    REAL(ssize_t, #name, int, const void *, size_t, off_t);                     \
    if (is_armed()) pass_descriptor("write", descriptor);                       \
    return real(descriptor, bytes, count, offset);                              \
  }
PWRITE(pwrite)
PWRITE(pwrite64)

ssize_t write(int descriptor, const void *bytes, size_t count) {
  if (descriptor > 2 && is_armed()) pass_descriptor("write", descriptor);
  return write_really(descriptor, bytes, count);
}

#define WITH_LENGTH(name, verb)                           \
  int name(int descriptor, off_t length) {                \
    REAL(int, #name, int, off_t);                         \
    if (is_armed()) pass_descriptor(verb, descriptor);    \
    return real(descriptor, length);                      \
  }
WITH_LENGTH(ftruncate, "resize")
WITH_LENGTH(ftruncate64, "resize")

#define FALLOCATE(name)                                             \
  int name(int descriptor, int mode, off_t offset, off_t length) {  \
    REAL(int, #name, int, int, off_t, off_t);                       \
    if (is_armed()) pass_descriptor("allocate or punch", descriptor); \
    return real(descriptor, mode, offset, length);                  \
  }
FALLOCATE(fallocate)
FALLOCATE(fallocate64)

#define SYNC(name)                                       \
  int name(int descriptor) {                             \
    REAL(int, #name, int);                               \
    if (is_armed()) pass_descriptor("sync", descriptor); \
    return real(descriptor);                             \
  }
SYNC(fsync)
SYNC(fdatasync)

ssize_t copy_file_range(int source, loff_t *source_offset, int descriptor, loff_t *offset,
                        size_t length, unsigned flags) {
  REAL(ssize_t, "copy_file_range", int, loff_t *, int, loff_t *, size_t, unsigned);
  if (is_armed()) pass_descriptor("copy to", descriptor);
  return real(source, source_offset, descriptor, offset, length, flags);
}

#define TWO_NAMES(name)                              \
  int name(const char *path, const char *new_path) { \
    REAL(int, #name, const char *, const char *);    \
    if (is_armed()) pass(#name, new_path);           \
    return real(path, new_path);                     \
  }
TWO_NAMES(rename)
TWO_NAMES(link)

#define ONE_NAME(name)                   \
  int name(const char *path) {           \
    REAL(int, #name, const char *);      \
    if (is_armed()) pass(#name, path);   \
    return real(path);                   \
  }
ONE_NAME(unlink)
ONE_NAME(rmdir)

int mkdir(const char *path, mode_t mode) {
  REAL(int, "mkdir", const char *, mode_t);
  if (is_armed()) pass("mkdir", path);
  return real(path, mode);
}

int renameat(int folder, const char *path, int new_folder, const char *new_path) {
  REAL(int, "renameat", int, const char *, int, const char *);
  if (is_armed()) pass_name("rename", new_folder, new_path);
  return real(folder, path, new_folder, new_path);
}

int linkat(int folder, const char *path, int new_folder, const char *new_path, int flags) {
  REAL(int, "linkat", int, const char *, int, const char *, int);
  if (is_armed()) pass_name("link", new_folder, new_path);
  return real(folder, path, new_folder, new_path, flags);
}

int unlinkat(int folder, const char *path, int flags) {
  REAL(int, "unlinkat", int, const char *, int);
  if (is_armed()) pass_name(flags & AT_REMOVEDIR ? "rmdir" : "unlink", folder, path);
  return real(folder, path, flags);
}

int mkdirat(int folder, const char *path, mode_t mode) {
  REAL(int, "mkdirat", int, const char *, mode_t);
  if (is_armed()) pass_name("mkdir", folder, path);
  return real(folder, path, mode);
}

// What a request changes, in words; NULL when it changes nothing.
static const char *change(unsigned long request, const void *argument) {
  const struct dm_ioctl *device = argument;
  switch (request) {
    case DM_DEV_CREATE: return "create";
    case DM_DEV_REMOVE: return "remove";
    case DM_DEV_RENAME: return "rename";
    case DM_DEV_SUSPEND: return device->flags & DM_SUSPEND_FLAG ? "suspend" : "resume";
    case DM_TABLE_LOAD: return "load a table into";
    case DM_TABLE_CLEAR: return "clear the inactive table of";
    case DM_TARGET_MSG: return "tell a target of";
    case LOOP_CONFIGURE: return "attach";
    case LOOP_SET_FD: return "attach";
    case LOOP_CLR_FD: return "detach";
    case LOOP_SET_CAPACITY: return "take over the size of";
    case FICLONERANGE: return "clone to";
    default: return NULL;
  }
}

int ioctl(int descriptor, unsigned long request, ...) {
  REAL(int, "ioctl", int, unsigned long, ...);
  va_list arguments;
  va_start(arguments, request);
  void *argument = va_arg(arguments, void *);
  va_end(arguments);
  // Libraries keep it in an int, whose sign bit must not spread.
  request = (unsigned int)request;
  const char *verb = atomic_load(&armed_process) != 0 ? change(request, argument) : NULL;
  if (verb && is_armed()) {
    if (_IOC_TYPE(request) == DM_IOCTL) {
      const struct dm_ioctl *device = argument;
      pass(verb, device->name[0] ? device->name : device->uuid);
    } else {
      pass_descriptor(verb, descriptor);
    }
  }
  return real(descriptor, request, argument);
}
