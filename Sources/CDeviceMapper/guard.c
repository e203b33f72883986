#define _GNU_SOURCE
#include "CDeviceMapper.h"
#include "control.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// The child of a process with threads: until it ends it calls nothing but system calls and what
// signal-safety(7) allows. Its requests are filled in before the fork.
//
// Over the socket: the child says READY, or FAILED and an error number; the parent says END, or its
// end of the socket closes because it died or gave up; the child says DONE or RESUMED, and ends.
enum { READY = 'r', FAILED = 'f', END = 'e', DONE = 'd', RESUMED = 'u' };

// How often a guard whose time has passed looks for suspended devices, and one that is alone tries
// again to resume those that the kernel could not.
enum { LATE_MILLISECONDS = 100 };

struct task {
  int socket;
  int control;
  int drops_inactive_tables;
  int64_t deadline;
  size_t count;
  struct dm_ioctl request;
  struct dm_ioctl devices[];
};

static int64_t milliseconds_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int ask(struct task *task, size_t device, unsigned long command) {
  // The kernel answers into the request.
  memcpy(&task->request, &task->devices[device], sizeof task->request);
  return ioctl(task->control, command, &task->request);
}

// Reads what the parent said: END, 0 if it is gone, -1 when the time is up.
static int hear(struct task *task, int64_t deadline) {
  for (;;) {
    int64_t left = deadline - milliseconds_now();
    if (left < 0) left = 0;
    struct pollfd watched = {.fd = task->socket, .events = POLLIN};
    int count = poll(&watched, 1, left > 1000000 ? 1000000 : (int)left);
    if (count > 0) {
      char word;
      ssize_t length = read(task->socket, &word, 1);
      if (length == 1) return word;
      if (length == 0 || errno != EINTR) return 0;
    } else if (left == 0) {
      return -1;
    }
  }
}

static void tell(struct task *task, char word, int reason) {
  char message[2] = {word, (char)reason};
  send(task->socket, message, sizeof message, MSG_NOSIGNAL);
}

// Whether no device is suspended any more. A device that is not suspended is left alone: resuming it
// would make its inactive table live. Behind one that cannot be resumed now the others wait, since they
// may stand on it: what is thawed writes, and would wait in the kernel.
static int resume_all(struct task *task) {
  for (size_t device = 0; device < task->count; device++) {
    if (ask(task, device, DM_DEV_STATUS) != 0) {
      if (errno == ENXIO) continue;
      return 0;
    }
    if (!(task->request.flags & DM_SUSPEND_FLAG)) continue;
    if (task->drops_inactive_tables && (task->request.flags & DM_INACTIVE_PRESENT_FLAG))
      ask(task, device, DM_TABLE_CLEAR);
    if (ask(task, device, DM_DEV_SUSPEND) != 0) return 0;
  }
  return 1;
}

static int is_safe_from_the_memory_killer(void) {
  int file = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
  if (file < 0) return 0;
  char present[8] = {0};
  int is_safe = write(file, "-1000", 5) == 5 ||
                (pread(file, present, sizeof present - 1, 0) > 0 && strcmp(present, "-1000\n") == 0);
  close(file);
  return is_safe;
}

// Closes what it shares with the parent: locks, and the other ends of other guards' sockets.
static void close_others(struct task *task) {
  unsigned low = (unsigned)(task->socket < task->control ? task->socket : task->control);
  unsigned high = (unsigned)(task->socket < task->control ? task->control : task->socket);
  if (low > 0) syscall(SYS_close_range, 0u, low - 1, 0u);
  if (high > low + 1) syscall(SYS_close_range, low + 1, high - 1, 0u);
  syscall(SYS_close_range, high + 1, ~0u, 0u);
}

__attribute__((noreturn))
static void guard(struct task *task) {
  setsid();
  close_others(task);
  int weaknesses = is_safe_from_the_memory_killer() ? 0 : SNAPMGR_GUARD_MAY_BE_KILLED;
  // What is in memory stays; the rehearsal below brings there all that is needed later. Locking
  // everything would copy the parent.
  if (mlockall(MCL_CURRENT | MCL_ONFAULT) != 0) weaknesses |= SNAPMGR_GUARD_MAY_BE_PAGED_OUT;
  hear(task, 0);
  for (size_t device = 0; device < task->count; device++) {
    if (ask(task, device, DM_DEV_STATUS) == 0) continue;
    tell(task, FAILED, errno);
    _exit(1);
  }
  tell(task, READY, weaknesses);
  char outcome = DONE;
  for (;;) {
    int heard = hear(task, task->deadline);
    if (heard == END) break;
    int is_done = resume_all(task);
    if (heard == 0) {
      // Nobody else does it: the kernel may have memory again in a moment.
      for (; !is_done; is_done = resume_all(task)) poll(NULL, 0, LATE_MILLISECONDS);
      break;
    }
    // The parent is late, and may suspend a device even now.
    outcome = RESUMED;
    task->deadline = milliseconds_now() + LATE_MILLISECONDS;
  }
  tell(task, outcome, 0);
  _exit(0);
}

static struct task *make_task(const char *const *names, size_t count, size_t *size) {
  *size = sizeof(struct task) + count * sizeof(struct dm_ioctl);
  struct task *task =
      mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (task == MAP_FAILED) return NULL;
  task->count = count;
  for (size_t device = 0; device < count; device++) {
    if (snapmgr_dm_set_up(&task->devices[device], names[device]) == 0) continue;
    munmap(task, *size);
    return NULL;
  }
  return task;
}

// The child starts with all signals blocked, so that none that ends the parent ends it, too.
static pid_t start(struct task *task) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pid_t child = _Fork();
  if (child == 0) guard(task);
  int reason = errno;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  errno = reason;
  return child;
}

static ssize_t receive(int socket, char message[2]) {
  ssize_t length;
  do length = recv(socket, message, 2, MSG_WAITALL);
  while (length < 0 && errno == EINTR);
  return length;
}

static void reap(pid_t child) {
  while (waitpid(child, NULL, 0) < 0 && errno == EINTR) continue;
}

int snapmgr_guard_begin(struct snapmgr_guard *result, const char *const *names, size_t count,
                        int drops_inactive_tables, int64_t milliseconds) {
  size_t size;
  int ends[2] = {-1, -1}, reason;
  struct task *task = make_task(names, count, &size);
  if (task == NULL) return -1;
  task->control = snapmgr_dm_open_control();
  if (task->control < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) goto end;
  task->socket = ends[1];
  task->drops_inactive_tables = drops_inactive_tables;
  task->deadline = milliseconds_now() + milliseconds;

  pid_t child = start(task);
  if (child < 0) goto end;
  close(ends[1]);
  ends[1] = -1;
  char message[2];
  ssize_t length = receive(ends[0], message);
  if (length == 2 && message[0] == READY) {
    result->socket = ends[0];
    result->process = child;
    result->weaknesses = (unsigned char)message[1];
    ends[0] = -1;
    errno = 0;
  } else {
    reap(child);
    errno = length == 2 ? (unsigned char)message[1] : ECHILD;
  }

end:
  reason = errno;
  if (task->control >= 0) close(task->control);
  munmap(task, size);
  for (int index = 0; index < 2; index++)
    if (ends[index] >= 0) close(ends[index]);
  errno = reason;
  return reason == 0 ? 0 : -1;
}

int snapmgr_guard_abandon(struct snapmgr_guard *guard, int64_t milliseconds) {
  int64_t deadline = milliseconds_now() + milliseconds;
  shutdown(guard->socket, SHUT_WR);
  char message[2] = {0, 0};
  struct pollfd watched = {.fd = guard->socket, .events = POLLIN};
  int count = 0;
  for (int64_t left = milliseconds; count <= 0 && left > 0; left = deadline - milliseconds_now())
    count = poll(&watched, 1, (int)left);
  ssize_t length = count > 0 ? receive(guard->socket, message) : 0;
  close(guard->socket);
  // One that still tries goes on by itself.
  if (count > 0) reap(guard->process);
  return length == 2;
}

int snapmgr_guard_end(struct snapmgr_guard *guard) {
  char word = END, message[2] = {0, 0};
  send(guard->socket, &word, 1, MSG_NOSIGNAL);
  ssize_t length = receive(guard->socket, message);
  close(guard->socket);
  reap(guard->process);
  // A guard that was killed has resumed nothing.
  return length == 2 && message[0] == RESUMED;
}
