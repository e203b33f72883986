#include "CSystem.h"

#include <stdio.h>
#include <stdlib.h>

int snapmgr_locks_are_checked;

__attribute__((constructor)) static void look_whether_locks_are_checked(void) {
  snapmgr_locks_are_checked = getenv("SNAPMGR_CHECKS_LOCKS") != NULL;
}

// Which locks this thread holds, by rank, in the order in which it took them.
enum { MAXIMUM = 64 };
static _Thread_local int held[MAXIMUM];
static _Thread_local int count;
// What it held before counts for nothing.
static _Thread_local int base;

static int highest(void) {
  int rank = -1;
  for (int i = base; i < count; i++)
    if (held[i] > rank)
      rank = held[i];
  return rank;
}

// A debugger breaks here.
__attribute__((noinline)) static void locks_violated(const char *what, int rank) {
  fprintf(stderr, "%s while a lock of rank %d is held: see docs/locks.md\n", what, rank);
  abort();
}

void snapmgr_locks_require_below(int rank, const char *doing) {
  if (highest() >= rank)
    locks_violated(doing, highest());
}

void snapmgr_locks_take(int rank, const char *name) {
  snapmgr_locks_require_below(rank, name);
  if (count == MAXIMUM)
    locks_violated("too many locks are taken", rank);
  held[count++] = rank;
}

void snapmgr_locks_give(int rank) {
  int i = count - 1;
  while (i >= 0 && held[i] != rank)
    i--;
  if (i < 0)
    return;
  count--;
  for (; i < count; i++)
    held[i] = held[i + 1];
}

int snapmgr_locks_set_aside(void) {
  int before = base;
  base = count;
  return before;
}

void snapmgr_locks_take_up(int before) { base = before; }
