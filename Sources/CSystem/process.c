#define _GNU_SOURCE
#include "CSystem.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// Moves a descriptor above the three standard ones, which a caller may have closed.
static int raise_descriptor(int descriptor) {
  if (descriptor > 2) return descriptor;
  int raised = fcntl(descriptor, F_DUPFD_CLOEXEC, 3), reason = errno;
  close(descriptor);
  errno = reason;
  return raised;
}

static int raise_both(int descriptors[2]) {
  descriptors[0] = raise_descriptor(descriptors[0]);
  descriptors[1] = raise_descriptor(descriptors[1]);
  if (descriptors[0] >= 0 && descriptors[1] >= 0) return 0;
  int reason = errno;
  if (descriptors[0] >= 0) close(descriptors[0]);
  if (descriptors[1] >= 0) close(descriptors[1]);
  errno = reason;
  return -1;
}

int snapmgr_pipe(int descriptors[2]) {
  if (pipe2(descriptors, O_CLOEXEC) != 0) return -1;
  if (raise_both(descriptors) != 0) return -1;
  return fcntl(descriptors[0], F_SETFL, O_NONBLOCK);
}

int snapmgr_socket_pair(int descriptors[2]) {
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, descriptors) != 0) return -1;
  return raise_both(descriptors);
}

int snapmgr_memory_file(const char *name, long bytes) {
  int descriptor = (int)syscall(SYS_memfd_create, name, 3 /* MFD_CLOEXEC | MFD_ALLOW_SEALING */);
  if (descriptor < 0) return -1;
  if (ftruncate(descriptor, bytes) == 0 &&
      fcntl(descriptor, 1033 /* F_ADD_SEALS */, 4 /* F_SEAL_GROW */) == 0) {
    return descriptor;
  }
  int error = errno;
  close(descriptor);
  errno = error;
  return -1;
}

int snapmgr_spawn(const char *path, char *const arguments[], char *const environment[],
                  int output, int extra, int leads_session, pid_t *id) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  int result = posix_spawn_file_actions_init(&actions);
  if (result != 0) return result;
  if ((result = posix_spawnattr_init(&attributes)) != 0) goto no_attributes;

  if ((result = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0))) goto end;
  if (output >= 0) {
    if ((result = posix_spawn_file_actions_adddup2(&actions, output, 1))) goto end;
    if ((result = posix_spawn_file_actions_adddup2(&actions, output, 2))) goto end;
  } else {
    if ((result = posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0))) goto end;
  }
  if (extra >= 0 && (result = posix_spawn_file_actions_adddup2(&actions, extra, 3))) goto end;
  if ((result = posix_spawn_file_actions_addclosefrom_np(&actions, extra >= 0 ? 4 : 3))) goto end;
  if ((result = posix_spawn_file_actions_addchdir_np(&actions, "/"))) goto end;

  sigset_t signals;
  sigemptyset(&signals);
  posix_spawnattr_setsigmask(&attributes, &signals);
  sigfillset(&signals);
  posix_spawnattr_setsigdefault(&attributes, &signals);
  posix_spawnattr_setflags(
      &attributes, (leads_session ? POSIX_SPAWN_SETSID : POSIX_SPAWN_SETPGROUP) | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  result = posix_spawn(id, path, &actions, &attributes, arguments, environment);

end:
  posix_spawnattr_destroy(&attributes);
no_attributes:
  posix_spawn_file_actions_destroy(&actions);
  return result;
}

int snapmgr_process_descriptor(pid_t id) {
  return (int)syscall(SYS_pidfd_open, id, 0);
}

int snapmgr_has_ended(pid_t id) {
  siginfo_t information = {0};
  if (waitid(P_PID, (id_t)id, &information, WEXITED | WNOHANG | WNOWAIT) != 0)
    return errno != EINTR;
  return information.si_pid == id;
}

int snapmgr_return_blocks_from(int bytes) {
  return mallopt(M_MMAP_THRESHOLD, bytes) && mallopt(M_TRIM_THRESHOLD, 4 * bytes) ? 0 : -1;
}
