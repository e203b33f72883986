#define _GNU_SOURCE
#include "CDeviceMapper.h"
#include "control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

int snapmgr_dm_open_control(void) { return open("/dev/mapper/control", O_RDWR | O_CLOEXEC); }

int snapmgr_dm_set_up(struct dm_ioctl *request, const char *name) {
  memset(request, 0, sizeof *request);
  // Everything here has been there since the first version of interface 4.
  request->version[0] = 4;
  request->data_size = sizeof *request;
  request->data_start = sizeof *request;
  size_t length = strlen(name);
  if (length == 0 || length >= sizeof request->name) {
    errno = ENAMETOOLONG;
    return -1;
  }
  memcpy(request->name, name, length + 1);
  return 0;
}

static int request(unsigned long command, void *request) {
  int control = snapmgr_dm_open_control();
  if (control < 0) return -1;
  int result;
  // A suspend waits in a way that signals interrupt.
  do result = ioctl(control, command, request);
  while (result != 0 && errno == EINTR);
  int reason = errno;
  close(control);
  errno = reason;
  return result;
}

static int change(const char *name, uint32_t flags, uint32_t event) {
  struct dm_ioctl change;
  if (snapmgr_dm_set_up(&change, name) != 0) return -1;
  change.flags = flags;
  change.event_nr = event;
  return request(DM_DEV_SUSPEND, &change);
}

int snapmgr_dm_suspend(const char *name, int freezes_filesystem, int flushes) {
  uint32_t flags = DM_SUSPEND_FLAG;
  if (!freezes_filesystem) flags |= DM_SKIP_LOCKFS_FLAG;
  if (!flushes) flags |= DM_NOFLUSH_FLAG;
  return change(name, flags, 0);
}

int snapmgr_dm_resume(const char *name, uint16_t udev_flags) {
  return change(name, 0, (uint32_t)udev_flags << DM_UDEV_FLAGS_SHIFT);
}

int snapmgr_dm_load(const char *name, const void *rows, size_t length, uint32_t count,
                    int is_read_only) {
  if (length > UINT32_MAX - sizeof(struct dm_ioctl)) {
    errno = E2BIG;
    return -1;
  }
  struct dm_ioctl *load = malloc(sizeof *load + length);
  if (load == NULL) return -1;
  int result = snapmgr_dm_set_up(load, name);
  if (result == 0) {
    load->data_size = (uint32_t)(sizeof *load + length);
    load->target_count = count;
    if (is_read_only) load->flags |= DM_READONLY_FLAG;
    memcpy(load + 1, rows, length);
    result = request(DM_TABLE_LOAD, load);
  }
  int reason = errno;
  free(load);
  errno = reason;
  return result;
}

int snapmgr_dm_read_rows(const char *name, int wants_table, void *buffer, size_t size,
                         struct snapmgr_dm_rows *rows) {
  struct dm_ioctl *read = buffer;
  if (size < sizeof *read || size > UINT32_MAX) {
    errno = EINVAL;
    return -1;
  }
  if (snapmgr_dm_set_up(read, name) != 0) return -1;
  read->data_size = (uint32_t)size;
  if (wants_table) read->flags |= DM_STATUS_TABLE_FLAG;
  if (request(DM_TABLE_STATUS, read) != 0) return -1;
  rows->is_cut = (read->flags & DM_BUFFER_FULL_FLAG) != 0;
  rows->count = (read->flags & DM_ACTIVE_PRESENT_FLAG) == 0 ? 0 : read->target_count;
  rows->start = read->data_start;
  return 0;
}

int snapmgr_dm_arm_events(int control) {
  struct dm_ioctl arm;
  memset(&arm, 0, sizeof arm);
  arm.version[0] = 4;
  arm.data_size = sizeof arm;
  arm.data_start = sizeof arm;
  return ioctl(control, DM_DEV_ARM_POLL, &arm);
}
