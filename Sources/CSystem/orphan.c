#define _GNU_SOURCE
#include "CSystem.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

// What the two processes write to the pipe: the orphan's id, or why it could not become the program.
struct word {
  pid_t id;
  int reason;
};

static void tell(int output, pid_t id, int reason) {
  struct word word = {id, reason};
  while (write(output, &word, sizeof word) < 0 && errno == EINTR) {
  }
}

// Between fork and exec nothing may be called that needs a lock: other threads had it, maybe.
static void become(const char *path, char *const arguments[], char *const environment[], int output,
                   int pipe_end) {
  struct sigaction usual = {.sa_handler = SIG_DFL};
  for (int number = 1; number < NSIG; number++) sigaction(number, &usual, NULL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  int null = open("/dev/null", O_RDONLY);
  if (null >= 0 && chdir("/") == 0 && dup2(null, 0) >= 0 && dup2(output, 1) >= 0 &&
      dup2(output, 2) >= 0 && dup2(pipe_end, 3) >= 0 && fcntl(3, F_SETFD, FD_CLOEXEC) == 0) {
    closefrom(4);
    execve(path, arguments, environment);
    pipe_end = 3;
  }
  tell(pipe_end, 0, errno);
  _exit(127);
}

static int read_words(int input, pid_t *id) {
  struct word word;
  int reason = ESRCH;
  for (;;) {
    ssize_t count = read(input, &word, sizeof word);
    if (count < 0 && errno == EINTR) continue;
    if (count != sizeof word) return reason;
    if (word.id == 0) return word.reason;
    *id = word.id;
    reason = 0;
  }
}

int snapmgr_spawn_orphan(const char *path, char *const arguments[], char *const environment[],
                         int output, pid_t *id) {
  int ends[2];
  if (snapmgr_pipe(ends) != 0) return errno;
  fcntl(ends[0], F_SETFL, 0);
  pid_t middle = _Fork();
  if (middle == 0) {
    setsid();
    pid_t orphan = _Fork();
    if (orphan == 0) become(path, arguments, environment, output, ends[1]);
    tell(ends[1], orphan > 0 ? orphan : 0, orphan > 0 ? 0 : errno);
    _exit(0);
  }
  int reason = middle < 0 ? errno : 0;
  close(ends[1]);
  if (middle > 0) {
    reason = read_words(ends[0], id);
    while (waitpid(middle, NULL, 0) < 0 && errno == EINTR) {
    }
  }
  close(ends[0]);
  return reason;
}
