// A library to be preloaded (LD_PRELOAD): it counts the look-ups of a process (and of what it becomes)
// below one folder, and lets the one that a test chooses fail. It also makes a program start fast: the
// program waits where it would begin, and a copy of it begins for each command that it is sent.
//
//   SNAPMGR_LOOKUP_FAULT      a file that holds a `struct snapmgr_lookup_fault`, which the test writes
//   SNAPMGR_LOOKUP_SERVER     the number of a connected socket on which commands come (see below)
//   SNAPMGR_LOOKUP_MOVES_ENVIRONMENT   if set, the first `stat` moves the environment, as libfaketime does
//
// Look-ups are: access, faccessat, open and openat without O_CREAT, stat, lstat, fstatat, statx,
// opendir, readdir and realpath. What is opened already is not looked up.
//
// A command: u32 bytes of what follows, then the arguments (the program's name first), each with a
// zero at its end. The answer: i32 the id of the process that runs it; then, when it has ended, i32
// its status as waitpid(2) tells it. Its output goes to the files that the fault's file names.
#ifndef SNAPMGR_LOOKUP_FAULT_H
#define SNAPMGR_LOOKUP_FAULT_H

#include <stdint.h>

struct snapmgr_lookup_fault {
  /// Look-ups so far. The first one is 1.
  int64_t count;
  /// The look-up that fails; 0 when none shall.
  int64_t index;
  /// The error's number.
  int32_t code;
  /// Whether all that follow fail, too.
  int32_t is_lasting;
  /// How many failed.
  int64_t failures;
  /// The folder, without symbolic links.
  char root[256];
  /// Where standard output and standard error of commands go.
  char output[256];
  char errors[256];
  /// The call that failed first, and its path below the folder.
  char call[32];
  char path[256];
  /// Where standard input of the next command comes from; empty when it has none.
  char input[256];
};

#endif
