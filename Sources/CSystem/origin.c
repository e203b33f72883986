#define _GNU_SOURCE
#include "CSystem.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

static struct flock byte_at(int64_t offset, short type) {
  return (struct flock){.l_whence = SEEK_SET, .l_start = offset, .l_len = 1, .l_type = type};
}

int snapmgr_lock_byte(int descriptor, int64_t offset) {
  struct flock lock = byte_at(offset, F_RDLCK);
  return fcntl(descriptor, F_OFD_SETLK, &lock);
}

int snapmgr_unlock_byte(int descriptor, int64_t offset) {
  struct flock lock = byte_at(offset, F_UNLCK);
  return fcntl(descriptor, F_OFD_SETLK, &lock);
}

int snapmgr_byte_is_locked(int descriptor, int64_t offset) {
  struct flock lock = byte_at(offset, F_WRLCK);
  if (fcntl(descriptor, F_OFD_GETLK, &lock) != 0) return -1;
  return lock.l_type != F_UNLCK;
}

int snapmgr_birth_time(int descriptor, int64_t *nanoseconds) {
  struct statx status;
  if (statx(descriptor, "", AT_EMPTY_PATH, STATX_BTIME, &status) != 0) return 0;
  if ((status.stx_mask & STATX_BTIME) == 0) return 0;
  int64_t time;
  if (__builtin_mul_overflow(status.stx_btime.tv_sec, INT64_C(1000000000), &time) ||
      __builtin_add_overflow(time, (int64_t)status.stx_btime.tv_nsec, &time))
    return 0;
  *nanoseconds = time;
  return 1;
}

int snapmgr_flock_is_emulated(int descriptor) {
  struct statfs status;
  if (fstatfs(descriptor, &status) != 0) return 0;
  switch ((uint32_t)status.f_type) {
    case 0x6969:      // NFS
    case 0x517b:      // SMB
    case 0xff534d42:  // CIFS
    case 0xfe534d42:  // SMB2
      return 1;
    default: return 0;
  }
}
