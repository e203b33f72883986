#include "CSystem.h"

static char *const no_arguments[] = {0};
static char *const *arguments = no_arguments;

// The GNU C library passes constructors what it passes main.
__attribute__((constructor)) static void keep_arguments(int count, char *values[]) {
  if (count > 0) arguments = values;
}

char *const *snapmgr_arguments(void) { return arguments; }
