// Requests to the kernel's device-mapper without libdevmapper.
#ifndef SNAPMGR_CONTROL_H
#define SNAPMGR_CONTROL_H

#include <linux/dm-ioctl.h>

int snapmgr_dm_open_control(void);

/// Fills in a request about the device of this name: 0, or -1 with errno.
int snapmgr_dm_set_up(struct dm_ioctl *request, const char *name);

#endif
