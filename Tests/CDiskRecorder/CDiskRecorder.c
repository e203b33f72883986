#define _GNU_SOURCE
#include "CDiskRecorder.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/falloc.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static char root[PATH_MAX];
static size_t root_length;
static int log_descriptor = -1;
static ssize_t (*real_write)(int, const void *, size_t);
// One operation at a time, so that the record's order is the order in which they took effect.
static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;

#define REAL(type, name, ...)                                   \
  static type (*real)(__VA_ARGS__);                             \
  if (!real) real = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

__attribute__((constructor)) static void begin(void) {
  real_write = (ssize_t(*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
  int (*real_open)(const char *, int, ...) = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open");
  const char *folder = getenv("SNAPMGR_RECORD_ROOT"), *log = getenv("SNAPMGR_RECORD_LOG");
  if (!folder || !log || !realpath(folder, root)) return;
  root_length = strlen(root);
  log_descriptor = real_open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static void append(const void *bytes, size_t count) {
  const char *next = bytes;
  while (count > 0) {
    ssize_t written = real_write(log_descriptor, next, count);
    // A record with a gap would prove things that are not so.
    if (written <= 0) abort();
    next += written;
    count -= (size_t)written;
  }
}

static void record(uint32_t kind, const char *path, const char *second, int64_t offset,
                   int64_t length, const void *data, size_t data_count) {
  struct {
    uint32_t kind, path_count, second_count, data_count;
    int64_t offset, length;
  } head = {kind, (uint32_t)strlen(path), second ? (uint32_t)strlen(second) : 0,
            (uint32_t)data_count, offset, length};
  append(&head, sizeof head);
  append(path, head.path_count);
  if (second) append(second, head.second_count);
  append(data, data_count);
}

/// The part of an absolute path below the root; NULL when it is not recorded. SQLite's shared
/// memory is not storage: what a crash leaves of it is never read.
static const char *below(const char *path) {
  if (log_descriptor < 0 || strncmp(path, root, root_length) != 0) return NULL;
  if (path[root_length] == '\0') return "";
  if (path[root_length] != '/') return NULL;
  const char *name = path + root_length + 1;
  size_t length = strlen(name);
  if (length >= 4 && strcmp(name + length - 4, "-shm") == 0) return NULL;
  if (length >= 10 && strcmp(name + length - 10, " (deleted)") == 0) return NULL;
  return name;
}

/// The same of a path as the process wrote it: its folder exists, it may not.
static const char *below_path(const char *path, char buffer[PATH_MAX]) {
  char folder[PATH_MAX];
  const char *slash = strrchr(path, '/');
  if (slash == path || !slash) return path[0] == '/' ? below(path) : NULL;
  size_t length = (size_t)(slash - path);
  if (length >= sizeof folder) return NULL;
  memcpy(folder, path, length);
  folder[length] = '\0';
  if (!realpath(folder, buffer)) return NULL;
  strncat(buffer, slash, PATH_MAX - strlen(buffer) - 1);
  return below(buffer);
}

static const char *below_descriptor(int descriptor, char buffer[PATH_MAX]) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  ssize_t length = readlink(link, buffer, PATH_MAX - 1);
  if (length < 0) return NULL;
  buffer[length] = '\0';
  return below(buffer);
}

/// The same of a name in an open folder; of a path when the folder is the current one.
static const char *below_name(int folder, const char *name, char buffer[PATH_MAX]) {
  if (folder == AT_FDCWD || name[0] == '/') return below_path(name, buffer);
  char link[64], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return NULL;
  path[length] = '\0';
  if ((size_t)snprintf(buffer, PATH_MAX, "%s/%s", path, name) >= PATH_MAX) return NULL;
  return below(buffer);
}

// What opens a file; `folder` is AT_FDCWD where there is none.
struct opening {
  int folder;
  const char *path;
  int flags;
  mode_t mode;
};

static int is_there(struct opening opening) {
  struct stat status;
  return fstatat(opening.folder, opening.path, &status, AT_SYMLINK_NOFOLLOW) == 0;
}

static int opened(int (*real)(struct opening), struct opening opening) {
  char buffer[PATH_MAX];
  int saved = errno, flags = opening.flags;
  pthread_mutex_lock(&order);
  const char *name =
      flags & (O_CREAT | O_TRUNC) ? below_name(opening.folder, opening.path, buffer) : NULL;
  int was_there = name && is_there(opening);
  errno = saved;
  int descriptor = real(opening);
  saved = errno;
  if (descriptor >= 0 && name) {
    if (!was_there) record(SNAPMGR_RECORDED_CREATE, name, NULL, 0, 0, NULL, 0);
    else if (flags & O_TRUNC) record(SNAPMGR_RECORDED_RESIZE, name, NULL, 0, 0, NULL, 0);
  }
  pthread_mutex_unlock(&order);
  errno = saved;
  return descriptor;
}

#define MODE(flags)                                                \
  va_list arguments;                                               \
  va_start(arguments, flags);                                      \
  mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;   \
  va_end(arguments)

#define OPEN(name)                                                 \
  static int really_##name(struct opening opening) {               \
    REAL(int, #name, const char *, int, ...);                      \
    return real(opening.path, opening.flags, opening.mode);        \
  }                                                                \
  int name(const char *path, int flags, ...) {                     \
    MODE(flags);                                                   \
    return opened(really_##name, (struct opening){AT_FDCWD, path, flags, mode}); \
  }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                               \
  static int really_##name(struct opening opening) {               \
    REAL(int, #name, int, const char *, int, ...);                 \
    return real(opening.folder, opening.path, opening.flags, opening.mode); \
  }                                                                \
  int name(int folder, const char *path, int flags, ...) {         \
    MODE(flags);                                                   \
    return opened(really_##name, (struct opening){folder, path, flags, mode}); \
  }
OPENAT(openat)
OPENAT(openat64)

// Runs `call`, and `entry` within the same turn if it succeeded.
#define RECORDED(descriptor, type, call, succeeded, entry)     \
  char buffer[PATH_MAX];                                       \
  pthread_mutex_lock(&order);                                  \
  int saved = errno;                                           \
  const char *name = below_descriptor(descriptor, buffer);     \
  errno = saved;                                               \
  type result = call;                                          \
  saved = errno;                                               \
  if (name && (succeeded)) entry;                              \
  pthread_mutex_unlock(&order);                                \
  errno = saved;                                               \
  return result

#define PWRITE(function)                                                              \
  ssize_t function(int descriptor, const void *bytes, size_t count, off_t offset) {   \
    REAL(ssize_t, #function, int, const void *, size_t, off_t);                       \
    RECORDED(descriptor, ssize_t, real(descriptor, bytes, count, offset), result > 0, \
             record(SNAPMGR_RECORDED_WRITE, name, NULL, offset, result, bytes, (size_t)result)); \
  }
PWRITE(pwrite)
PWRITE(pwrite64)

ssize_t write(int descriptor, const void *bytes, size_t count) {
  // Standard output and error are never storage.
  if (descriptor <= 2 || log_descriptor < 0) return real_write(descriptor, bytes, count);
  off_t offset = lseek(descriptor, 0, SEEK_CUR);
  RECORDED(descriptor, ssize_t, real_write(descriptor, bytes, count), result > 0,
           record(SNAPMGR_RECORDED_WRITE, name, NULL, offset, result, bytes, (size_t)result));
}

#define RESIZE(function)                                                   \
  int function(int descriptor, off_t length) {                             \
    REAL(int, #function, int, off_t);                                      \
    RECORDED(descriptor, int, real(descriptor, length), result == 0,       \
             record(SNAPMGR_RECORDED_RESIZE, name, NULL, 0, length, NULL, 0)); \
  }
RESIZE(ftruncate)
RESIZE(ftruncate64)

#define FALLOCATE(function)                                                          \
  int function(int descriptor, int mode, off_t offset, off_t length) {               \
    REAL(int, #function, int, int, off_t, off_t);                                    \
    RECORDED(descriptor, int, real(descriptor, mode, offset, length),                \
             result == 0 && mode != FALLOC_FL_KEEP_SIZE,                             \
             record(mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)             \
                        ? SNAPMGR_RECORDED_ZERO : SNAPMGR_RECORDED_UNKNOWN,          \
                    name, NULL, offset, length, NULL, 0));                           \
  }
FALLOCATE(fallocate)
FALLOCATE(fallocate64)

#define SYNC(function)                                                 \
  int function(int descriptor) {                                       \
    REAL(int, #function, int);                                         \
    RECORDED(descriptor, int, real(descriptor), result == 0,           \
             record(SNAPMGR_RECORDED_SYNC, name, NULL, 0, 0, NULL, 0)); \
  }
SYNC(fsync)
SYNC(fdatasync)

ssize_t copy_file_range(int source, loff_t *source_offset, int descriptor, loff_t *offset,
                        size_t length, unsigned flags) {
  REAL(ssize_t, "copy_file_range", int, loff_t *, int, loff_t *, size_t, unsigned);
  loff_t start = offset ? *offset : -1;
  void *copy = NULL;
  char buffer[PATH_MAX];
  pthread_mutex_lock(&order);
  ssize_t result = real(source, source_offset, descriptor, offset, length, flags);
  int saved = errno;
  const char *name = below_descriptor(descriptor, buffer);
  if (result > 0 && name) {
    // What was copied is read back from a descriptor of its own, for the given may be write-only.
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    // Past this library, whose turn it is already.
    int reader =
        really_open((struct opening){AT_FDCWD, link, O_RDONLY | O_CLOEXEC, 0});
    copy = malloc((size_t)result);
    if (start < 0 || reader < 0 || !copy || pread(reader, copy, (size_t)result, start) != result)
      abort();
    close(reader);
    record(SNAPMGR_RECORDED_WRITE, name, NULL, start, result, copy, (size_t)result);
    free(copy);
  }
  pthread_mutex_unlock(&order);
  errno = saved;
  return result;
}

// Runs a call on names, and `entry` within the same turn if it succeeded.
#define NAMED(folder, path, call, entry)                       \
  char buffer[PATH_MAX];                                       \
  pthread_mutex_lock(&order);                                  \
  int saved = errno;                                           \
  const char *name = below_name(folder, path, buffer);         \
  errno = saved;                                               \
  int result = call;                                           \
  saved = errno;                                               \
  if (name && result == 0) entry;                              \
  pthread_mutex_unlock(&order);                                \
  errno = saved;                                               \
  return result

#define TWO_NAMED(folder, path, new_folder, new_path, call, kind)                \
  char second_buffer[PATH_MAX];                                                 \
  const char *second = below_name(new_folder, new_path, second_buffer);         \
  NAMED(folder, path, call,                                                     \
        record(second ? kind : SNAPMGR_RECORDED_UNKNOWN, name, second, 0, 0, NULL, 0))

int rename(const char *path, const char *new_path) {
  REAL(int, "rename", const char *, const char *);
  TWO_NAMED(AT_FDCWD, path, AT_FDCWD, new_path, real(path, new_path), SNAPMGR_RECORDED_RENAME);
}

int renameat(int folder, const char *path, int new_folder, const char *new_path) {
  REAL(int, "renameat", int, const char *, int, const char *);
  TWO_NAMED(folder, path, new_folder, new_path, real(folder, path, new_folder, new_path),
            SNAPMGR_RECORDED_RENAME);
}

int link(const char *path, const char *new_path) {
  REAL(int, "link", const char *, const char *);
  TWO_NAMED(AT_FDCWD, path, AT_FDCWD, new_path, real(path, new_path), SNAPMGR_RECORDED_LINK);
}

int linkat(int folder, const char *path, int new_folder, const char *new_path, int flags) {
  REAL(int, "linkat", int, const char *, int, const char *, int);
  TWO_NAMED(folder, path, new_folder, new_path, real(folder, path, new_folder, new_path, flags),
            SNAPMGR_RECORDED_LINK);
}

int unlink(const char *path) {
  REAL(int, "unlink", const char *);
  NAMED(AT_FDCWD, path, real(path), record(SNAPMGR_RECORDED_UNLINK, name, NULL, 0, 0, NULL, 0));
}

int unlinkat(int folder, const char *path, int flags) {
  REAL(int, "unlinkat", int, const char *, int);
  NAMED(folder, path, real(folder, path, flags),
        record(flags & AT_REMOVEDIR ? SNAPMGR_RECORDED_REMOVE_FOLDER : SNAPMGR_RECORDED_UNLINK,
               name, NULL, 0, 0, NULL, 0));
}

int rmdir(const char *path) {
  REAL(int, "rmdir", const char *);
  NAMED(AT_FDCWD, path, real(path),
        record(SNAPMGR_RECORDED_REMOVE_FOLDER, name, NULL, 0, 0, NULL, 0));
}

int mkdir(const char *path, mode_t mode) {
  REAL(int, "mkdir", const char *, mode_t);
  NAMED(AT_FDCWD, path, real(path, mode),
        record(SNAPMGR_RECORDED_MAKE_FOLDER, name, NULL, 0, 0, NULL, 0));
}

int mkdirat(int folder, const char *path, mode_t mode) {
  REAL(int, "mkdirat", int, const char *, mode_t);
  NAMED(folder, path, real(folder, path, mode),
        record(SNAPMGR_RECORDED_MAKE_FOLDER, name, NULL, 0, 0, NULL, 0));
}
