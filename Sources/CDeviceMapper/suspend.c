#define _GNU_SOURCE
#include "CDeviceMapper.h"
#include "control.h"

#include <errno.h>
#include <fcntl.h>
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

static int change(const char *name, uint32_t flags, uint32_t event) {
  struct dm_ioctl request;
  if (snapmgr_dm_set_up(&request, name) != 0) return -1;
  request.flags = flags;
  request.event_nr = event;
  int control = snapmgr_dm_open_control();
  if (control < 0) return -1;
  int result = ioctl(control, DM_DEV_SUSPEND, &request);
  int reason = errno;
  close(control);
  errno = reason;
  return result;
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
