#define _GNU_SOURCE
#include "CLookupFault.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static struct snapmgr_lookup_fault *fault;
static int is_ready;

#define REAL(type, name, ...)                             \
  static type (*real)(__VA_ARGS__);                       \
  if (!real) real = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

static _Noreturn void refuse(const char *reason) {
  dprintf(2, "snapmgr-lookup-fault: %s: %s\n", reason, strerror(errno));
  _exit(126);
}

// Other libraries' constructors look files up before this one's runs.
__attribute__((constructor)) static void begin(void) {
  if (is_ready) return;
  is_ready = 1;
  if (getenv("SNAPMGR_LOOKUP_MOVES_ENVIRONMENT")) {
    // A variable that was there already, from the program before, would be replaced in its place.
    unsetenv("SNAPMGR_LOOKUP_MOVED_ENVIRONMENT");
    setenv("SNAPMGR_LOOKUP_MOVED_ENVIRONMENT", "1", 1);
  }
  const char *path = getenv("SNAPMGR_LOOKUP_FAULT");
  if (!path || !*path) return;
  int descriptor = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
  if (descriptor < 0) refuse("SNAPMGR_LOOKUP_FAULT cannot be opened");
  fault = mmap(NULL, sizeof *fault, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  if (fault == MAP_FAILED) refuse("SNAPMGR_LOOKUP_FAULT cannot be mapped");
  close(descriptor);
}

// MARK: which look-ups fail

/// The part of an absolute path below the root; NULL when it is elsewhere.
static const char *below(const char *path) {
  size_t length = strlen(fault->root);
  if (length == 0 || strncmp(path, fault->root, length) != 0) return NULL;
  if (path[length] == '\0') return path + length;
  return path[length] == '/' ? path + length + 1 : NULL;
}

/// What a descriptor was opened as, or -1.
static ssize_t path_of(int descriptor, char buffer[PATH_MAX]) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  ssize_t length = readlink(link, buffer, PATH_MAX - 1);
  if (length >= 0) buffer[length] = '\0';
  return length;
}

/// Makes a path absolute, if it is not; NULL when it is elsewhere. `path` may name a folder by its
/// descriptor: /proc/self/fd/3/name.
static const char *below_folder(int folder, const char *path, char buffer[PATH_MAX]) {
  static const char descriptors[] = "/proc/self/fd/";
  if (strncmp(path, descriptors, sizeof descriptors - 1) == 0) {
    char *end;
    folder = (int)strtol(path + sizeof descriptors - 1, &end, 10);
    path = *end == '/' ? end + 1 : end;
  } else if (path[0] == '/') {
    return below(path);
  }
  if (folder == AT_FDCWD) {
    if (syscall(SYS_getcwd, buffer, PATH_MAX) < 0) return NULL;
  } else if (path_of(folder, buffer) < 0) {
    return NULL;
  }
  size_t length = strlen(buffer);
  if (*path) snprintf(buffer + length, PATH_MAX - length, "/%s", path);
  return below(buffer);
}

/// Whether this look-up fails; its reason is in errno then.
static int fails(const char *call, int folder, const char *path) {
  if (!is_ready) begin();
  if (!fault || !path) return 0;
  char buffer[PATH_MAX];
  int saved = errno;
  const char *name = below_folder(folder, path, buffer);
  errno = saved;
  if (!name) return 0;
  int64_t index = __atomic_add_fetch(&fault->count, 1, __ATOMIC_SEQ_CST);
  if (fault->index == 0 || index < fault->index) return 0;
  if (index > fault->index && !fault->is_lasting) return 0;
  if (__atomic_add_fetch(&fault->failures, 1, __ATOMIC_SEQ_CST) == 1) {
    snprintf(fault->call, sizeof fault->call, "%s", call);
    snprintf(fault->path, sizeof fault->path, "%s", name);
  }
  errno = fault->code;
  return 1;
}

// MARK: the calls

static int takes_mode(int flags) {
  return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE;
}

#define OPEN(name)                                                         \
  int name(const char *path, int flags, ...) {                             \
    REAL(int, #name, const char *, int, ...);                              \
    va_list arguments;                                                     \
    va_start(arguments, flags);                                            \
    mode_t mode = takes_mode(flags) ? va_arg(arguments, mode_t) : 0;      \
    va_end(arguments);                                                     \
    if (!(flags & O_CREAT) && fails("open", AT_FDCWD, path)) return -1;    \
    return real(path, flags, mode);                                        \
  }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                       \
  int name(int folder, const char *path, int flags, ...) {                 \
    REAL(int, #name, int, const char *, int, ...);                         \
    va_list arguments;                                                     \
    va_start(arguments, flags);                                            \
    mode_t mode = takes_mode(flags) ? va_arg(arguments, mode_t) : 0;      \
    va_end(arguments);                                                     \
    if (!(flags & O_CREAT) && fails("openat", folder, path)) return -1;    \
    return real(folder, path, flags, mode);                                \
  }
OPENAT(openat)
OPENAT(openat64)

int access(const char *path, int mode) {
  REAL(int, "access", const char *, int);
  return fails("access", AT_FDCWD, path) ? -1 : real(path, mode);
}

int faccessat(int folder, const char *path, int mode, int flags) {
  REAL(int, "faccessat", int, const char *, int, int);
  return fails("faccessat", folder, path) ? -1 : real(folder, path, mode, flags);
}

#define STAT(name, type)                                                   \
  int name(const char *restrict path, struct type *restrict status) {      \
    REAL(int, #name, const char *, struct type *);                         \
    return fails(#name, AT_FDCWD, path) ? -1 : real(path, status);         \
  }
STAT(stat, stat)
STAT(stat64, stat64)
STAT(lstat, stat)
STAT(lstat64, stat64)

// With an empty name it asks about the descriptor, which is not a look-up.
#define FSTATAT(name, type)                                                \
  int name(int folder, const char *restrict path, struct type *restrict status, int flags) { \
    REAL(int, #name, int, const char *, struct type *, int);               \
    if (*path && fails(#name, folder, path)) return -1;            \
    return real(folder, path, status, flags);                              \
  }
FSTATAT(fstatat, stat)
FSTATAT(fstatat64, stat64)

int statx(int folder, const char *restrict path, int flags, unsigned mask,
          struct statx *restrict status) {
  REAL(int, "statx", int, const char *, int, unsigned, struct statx *);
  if (*path && fails("statx", folder, path)) return -1;
  return real(folder, path, flags, mask, status);
}

DIR *opendir(const char *path) {
  REAL(DIR *, "opendir", const char *);
  return fails("opendir", AT_FDCWD, path) ? NULL : real(path);
}

DIR *fdopendir(int descriptor) {
  REAL(DIR *, "fdopendir", int);
  return fails("fdopendir", descriptor, "") ? NULL : real(descriptor);
}

struct dirent *readdir(DIR *stream) {
  REAL(struct dirent *, "readdir", DIR *);
  return fails("readdir", dirfd(stream), "") ? NULL : real(stream);
}

struct dirent64 *readdir64(DIR *stream) {
  REAL(struct dirent64 *, "readdir64", DIR *);
  return fails("readdir", dirfd(stream), "") ? NULL : real(stream);
}

char *realpath(const char *restrict path, char *restrict resolved) {
  REAL(char *, "realpath", const char *, char *);
  return fails("realpath", AT_FDCWD, path) ? NULL : real(path, resolved);
}

// MARK: the server

static int (*program)(int, char **, char **);

static int receive(int socket, void *bytes, size_t count) {
  for (char *next = bytes; count > 0;) {
    ssize_t received = read(socket, next, count);
    if (received <= 0) return 0;
    next += received;
    count -= (size_t)received;
  }
  return 1;
}

static void redirect(const char *path, int flags, int number) {
  int descriptor = (int)syscall(SYS_openat, AT_FDCWD, path, flags, 0600);
  if (descriptor < 0 || dup2(descriptor, number) < 0) refuse("its input or output cannot be opened");
  close(descriptor);
}

/// A command: its arguments, one after the other, each with a zero at its end.
struct command {
  char *words;
  size_t length;
  char **environment;
  sigset_t signals;
};

/// Splits what came into arguments, and goes on where the program begins.
static void *run(void *value) {
  struct command *command = value;
  pthread_sigmask(SIG_SETMASK, &command->signals, NULL);
  char **arguments = calloc(command->length + 1, sizeof *arguments);
  if (!arguments) refuse("there is no memory");
  int count = 0;
  for (char *word = command->words; word < command->words + command->length;
       word += strlen(word) + 1)
    arguments[count++] = word;
  // Swift's runtime has noted the server's arguments.
  void (*note)(char **, int) =
      (void (*)(char **, int))dlsym(RTLD_DEFAULT, "_swift_stdlib_overrideUnsafeArgvArgc");
  if (note) note(arguments, count);
  if (*fault->input) redirect(fault->input, O_RDONLY, 0);
  redirect(fault->output, O_WRONLY | O_CREAT | O_TRUNC, 1);
  redirect(fault->errors, O_WRONLY | O_CREAT | O_TRUNC, 2);
  exit(program(count, arguments, command->environment));
}

/// Runs the program in a thread of its own. Swift's runtime and libdispatch have noted the id of the thread
/// that loaded them, which in a copy of the process is still the server's: who has a lock of theirs by such
/// an id can never give it back when another thread waits for it. A new thread notes its own.
static _Noreturn void run_in_thread(struct command *command) {
  sigset_t all;
  sigfillset(&all);
  // Signals are for the program.
  pthread_sigmask(SIG_SETMASK, &all, &command->signals);
  pthread_t thread;
  errno = pthread_create(&thread, NULL, run, command);
  if (errno) refuse("there is no thread");
  pthread_join(thread, NULL);
  _exit(126);
}

static int serve(int count, char **values, char **environment) {
  const char *text = getenv("SNAPMGR_LOOKUP_SERVER");
  if (!text || !fault) return program(count, values, environment);
  int socket = atoi(text);
  unsetenv("SNAPMGR_LOOKUP_SERVER");
  uint32_t length;
  while (receive(socket, &length, sizeof length)) {
    char *words = calloc(1, (size_t)length + 1);
    if (!words || !receive(socket, words, length)) _exit(1);
    int32_t id = fork(), status = 0;
    if (id == 0) {
      close(socket);
      struct command command = {words, length, environment, {{0}}};
      run_in_thread(&command);
    }
    free(words);
    if (id < 0 || write(socket, &id, sizeof id) != sizeof id) _exit(1);
    while (waitpid(id, &status, 0) < 0)
      if (errno != EINTR) _exit(1);
    if (write(socket, &status, sizeof status) != sizeof status) _exit(1);
  }
  _exit(0);
}

int __libc_start_main(int (*main)(int, char **, char **), int count, char **values,
                      void (*init)(void), void (*finish)(void), void (*unload)(void), void *end) {
  REAL(int, "__libc_start_main", int (*)(int, char **, char **), int, char **, void (*)(void),
       void (*)(void), void (*)(void), void *);
  program = main;
  return real(serve, count, values, init, finish, unload, end);
}
