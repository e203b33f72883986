#include "CDeviceMapper.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

// Long enough for some lines; what does not fit is left out, the first errors being the causes.
static char messages[4096];
static size_t length;

// The lower three bits of a level are syslog's; _LOG_ERR is 3.
__attribute__((format(printf, 5, 6)))
static void collect(int level, const char *file, int line, int errno_or_class, const char *format,
                    ...) {
  (void)file, (void)line, (void)errno_or_class;
  if ((level & 7) > 3) return;
  if (length > 0 && length + 2 < sizeof messages) length += (size_t)sprintf(messages + length, "; ");
  va_list arguments;
  va_start(arguments, format);
  int count = vsnprintf(messages + length, sizeof messages - length, format, arguments);
  va_end(arguments);
  if (count > 0) length += (size_t)count;
  if (length >= sizeof messages) length = sizeof messages - 1;
}

void snapmgr_dm_prepare(void) {
  dm_log_with_errno_init(collect);
  // Ours need no mangling, and others' must be read as they are.
  dm_set_name_mangling_mode(DM_STRING_MANGLING_NONE);
}

void snapmgr_dm_clear_messages(void) {
  length = 0;
  messages[0] = 0;
}

const char *snapmgr_dm_messages(void) { return messages; }

const struct dm_names *snapmgr_dm_first_name(struct dm_task *task) {
  const struct dm_names *names = dm_task_get_names(task);
  // A list without devices is one whose first entry has the number 0.
  return names == NULL || names->dev == 0 ? NULL : names;
}

const struct dm_names *snapmgr_dm_next_name(const struct dm_names *names) {
  return names->next == 0 ? NULL : (const void *)((const char *)names + names->next);
}

const char *snapmgr_dm_name(const struct dm_names *names) { return names->name; }

const struct dm_versions *snapmgr_dm_first_version(struct dm_task *task) {
  return dm_task_get_versions(task);
}

const struct dm_versions *snapmgr_dm_next_version(const struct dm_versions *versions) {
  return versions->next == 0 ? NULL : (const void *)((const char *)versions + versions->next);
}

const char *snapmgr_dm_version_name(const struct dm_versions *versions) { return versions->name; }

uint32_t snapmgr_dm_dependency_count(struct dm_task *task) {
  struct dm_deps *dependencies = dm_task_get_deps(task);
  return dependencies == NULL ? 0 : dependencies->count;
}

uint64_t snapmgr_dm_dependency(struct dm_task *task, uint32_t index) {
  return dm_task_get_deps(task)->device[index];
}
