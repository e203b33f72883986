// Ends this process, or the whole machine, at an exact point: before the n-th change that it makes
// to files, loop devices or device-mapper. It stands between the program that it is linked into
// (libraries included) and the C library; changes of programs and processes that this one starts
// are not counted. Until a point is set nothing happens.
#ifndef SNAPMGR_CRASH_POINT_H
#define SNAPMGR_CRASH_POINT_H

#include <stdint.h>

enum snapmgr_crash {
  /// Changes are counted only.
  SNAPMGR_CRASH_NEVER = 0,
  /// SIGKILL.
  SNAPMGR_CRASH_PROCESS = 1,
  /// The kernel starts again at once, as after a crash of its own: sysrq b.
  SNAPMGR_CRASH_MACHINE = 2,
};

/// Makes the memory that processes forked later share with this one; 0, or -1 with errno.
int snapmgr_crash_prepare(void);

/// Counts from 0, and ends this process instead of the change that follows on `changes` others. 0, or
/// -1 with errno.
int snapmgr_crash_arm(int64_t changes, enum snapmgr_crash kind);

void snapmgr_crash_disarm(void);

/// Crashes the machine now.
void snapmgr_crash_machine(void);

/// The changes since the last call of snapmgr_crash_arm, by whichever process.
int64_t snapmgr_crash_count(void);

/// The change that was made last, or that was not made any more; and the one before it.
const char *snapmgr_crash_last(void);
const char *snapmgr_crash_before_last(void);

#endif
