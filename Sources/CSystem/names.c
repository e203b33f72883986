#define _GNU_SOURCE
#include "CSystem.h"

#include <dirent.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

const void *snapmgr_entry_name(const void *entry, long *length) {
  const struct dirent *found = entry;
  size_t limit = found->d_reclen - offsetof(struct dirent, d_name);
  *length = (long)strnlen(found->d_name, limit);
  return found->d_name;
}

int snapmgr_rename_new(int folder, const char *name, int new_folder, const char *new_name) {
  return renameat2(folder, name, new_folder, new_name, RENAME_NOREPLACE);
}

int snapmgr_rename_exchange(int folder, const char *name, const char *other) {
  return renameat2(folder, name, folder, other, RENAME_EXCHANGE);
}

int snapmgr_sync_around(int descriptor) { return syncfs(descriptor); }

int snapmgr_make_node(int folder, const char *name, uint32_t mode, uint32_t major,
                      uint32_t minor) {
  return mknodat(folder, name, mode, makedev(major, minor));
}

uint64_t snapmgr_device_number(uint32_t major, uint32_t minor) { return makedev(major, minor); }

int snapmgr_set_attribute(int descriptor, const char *name, const void *value, size_t length) {
  return fsetxattr(descriptor, name, value, length, 0);
}

int snapmgr_set_path_attribute(const char *path, const char *name, const void *value,
                               size_t length) {
  return setxattr(path, name, value, length, 0);
}

int snapmgr_remove_attribute(int descriptor, const char *name) {
  return fremovexattr(descriptor, name);
}
