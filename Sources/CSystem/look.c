#define _GNU_SOURCE
#include "CSystem.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

static snapmgr_moment moment(struct statx_timestamp time) {
  return (snapmgr_moment){.seconds = time.tv_sec, .nanoseconds = time.tv_nsec};
}

int snapmgr_look(int folder, const char *name, snapmgr_node *node) {
  struct statx status;
  int flags = AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT;
  if (statx(folder, name, flags, STATX_BASIC_STATS | STATX_BTIME, &status) != 0) return -1;
  *node = (snapmgr_node){
      .inode = status.stx_ino,
      .bytes = status.stx_size,
      .blocks = status.stx_blocks,
      .filesystem_major = status.stx_dev_major,
      .filesystem_minor = status.stx_dev_minor,
      .device_major = status.stx_rdev_major,
      .device_minor = status.stx_rdev_minor,
      .user = status.stx_uid,
      .group = status.stx_gid,
      .links = status.stx_nlink,
      .mode = status.stx_mode,
      .is_encrypted = (status.stx_attributes & STATX_ATTR_ENCRYPTED) != 0,
      .has_birth = (status.stx_mask & STATX_BTIME) != 0,
      .accessed = moment(status.stx_atime),
      .modified = moment(status.stx_mtime),
      .changed = moment(status.stx_ctime),
      .born = moment(status.stx_btime),
  };
  return 0;
}

long snapmgr_attribute_names(const char *path, char *names, size_t size) {
  return listxattr(path, names, size);
}

long snapmgr_attribute(const char *path, const char *name, void *value, size_t size) {
  return getxattr(path, name, value, size);
}
