#define _GNU_SOURCE
#include "CDeviceMapper.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>
#include <unistd.h>

int snapmgr_loop_free(int control) { return ioctl(control, LOOP_CTL_GET_FREE); }

int snapmgr_loop_configure(int loop, int file, const struct snapmgr_loop_options *options) {
  struct loop_config configuration;
  memset(&configuration, 0, sizeof configuration);
  configuration.fd = (uint32_t)file;
  configuration.block_size = 512;
  configuration.info.lo_offset = options->offset;
  configuration.info.lo_sizelimit = options->size_limit;
  if (options->is_read_only) configuration.info.lo_flags |= LO_FLAGS_READ_ONLY;
  if (options->is_direct) configuration.info.lo_flags |= LO_FLAGS_DIRECT_IO;
  size_t length = strlen(options->label);
  if (length >= sizeof configuration.info.lo_file_name) {
    errno = ENAMETOOLONG;
    return -1;
  }
  memcpy(configuration.info.lo_file_name, options->label, length);
  return ioctl(loop, LOOP_CONFIGURE, &configuration);
}

int snapmgr_loop_status(int loop, struct snapmgr_loop_status *status) {
  struct loop_info64 information;
  if (ioctl(loop, LOOP_GET_STATUS64, &information) != 0) return -1;
  status->device = information.lo_device;
  status->inode = information.lo_inode;
  status->backing_number = information.lo_rdevice;
  status->is_read_only = (information.lo_flags & LO_FLAGS_READ_ONLY) != 0;
  status->is_direct = (information.lo_flags & LO_FLAGS_DIRECT_IO) != 0;
  memcpy(status->label, information.lo_file_name, sizeof status->label - 1);
  status->label[sizeof status->label - 1] = 0;
  return 0;
}

const char *snapmgr_loop_label(const struct snapmgr_loop_status *status) { return status->label; }

int snapmgr_loop_clear(int loop) { return ioctl(loop, LOOP_CLR_FD); }

int snapmgr_loop_refresh_capacity(int loop) { return ioctl(loop, LOOP_SET_CAPACITY); }

int snapmgr_block_logical_size(int descriptor, int *bytes) {
  return ioctl(descriptor, BLKSSZGET, bytes);
}

int snapmgr_has_access_list(const char *path) {
  return getxattr(path, "system.posix_acl_access", NULL, 0) > 0;
}

int snapmgr_sync_filesystem(int descriptor) { return syncfs(descriptor); }

int snapmgr_btrfs_forget(const char *path) {
  struct btrfs_ioctl_vol_args arguments = {0};
  if (strlen(path) >= sizeof arguments.name) {
    errno = ENAMETOOLONG;
    return -1;
  }
  memcpy(arguments.name, path, strlen(path));
  int control = open("/dev/btrfs-control", O_RDWR | O_CLOEXEC);
  if (control < 0) return -1;
  int result = ioctl(control, BTRFS_IOC_FORGET_DEV, &arguments), reason = errno;
  close(control);
  errno = reason;
  return result;
}
