#define _GNU_SOURCE
#include "CSystem.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

int snapmgr_clone_range(int destination, int64_t destination_offset,
                        int source, int64_t source_offset, int64_t length) {
  struct file_clone_range range = {
      .src_fd = source,
      .src_offset = (uint64_t)source_offset,
      .src_length = (uint64_t)length,
      .dest_offset = (uint64_t)destination_offset,
  };
  return ioctl(destination, FICLONERANGE, &range);
}

ssize_t snapmgr_copy_file_range(int source, int64_t source_offset,
                                int destination, int64_t destination_offset, size_t length) {
  loff_t in = source_offset, out = destination_offset;
  return copy_file_range(source, &in, destination, &out, length, 0);
}

int snapmgr_punch_hole(int descriptor, int64_t offset, int64_t length) {
  return fallocate(descriptor, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length);
}

int snapmgr_allocate(int descriptor, int64_t offset, int64_t length) {
  return fallocate(descriptor, FALLOC_FL_KEEP_SIZE, offset, length);
}

int snapmgr_zero_range(int descriptor, int64_t offset, int64_t length) {
  return fallocate(descriptor, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, offset, length);
}

int snapmgr_sync_range(int descriptor, int64_t offset, size_t length) {
  void *page = mmap(NULL, length, PROT_READ, MAP_SHARED, descriptor, offset);
  // Not every filesystem maps.
  if (page == MAP_FAILED) return fdatasync(descriptor);
  int result = msync(page, length, MS_SYNC);
  int error = errno;
  munmap(page, length);
  errno = error;
  return result;
}

int snapmgr_start_writeback(int descriptor, int64_t offset, int64_t length) {
  return sync_file_range(descriptor, offset, length, SYNC_FILE_RANGE_WRITE);
}

int64_t snapmgr_seek_data(int descriptor, int64_t offset) {
  return lseek(descriptor, offset, SEEK_DATA);
}

int64_t snapmgr_seek_hole(int descriptor, int64_t offset) {
  return lseek(descriptor, offset, SEEK_HOLE);
}

int snapmgr_block_device_bytes(int descriptor, uint64_t *bytes) {
  return ioctl(descriptor, BLKGETSIZE64, bytes);
}

int snapmgr_peer_user(int socket, uint32_t *user) {
  struct ucred credentials;
  socklen_t length = sizeof credentials;
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0) return -1;
  *user = credentials.uid;
  return 0;
}

int snapmgr_peer_process(int socket, pid_t *process) {
  struct ucred credentials;
  socklen_t length = sizeof credentials;
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0) return -1;
  *process = credentials.pid;
  return 0;
}

long snapmgr_send_descriptor(int socket, const void *bytes, size_t count, int passed) {
  union {
    struct cmsghdr header;
    char space[CMSG_SPACE(sizeof(int))];
  } control = {.header = {.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
  memcpy(CMSG_DATA(&control.header), &passed, sizeof passed);
  struct iovec part = {.iov_base = (void *)bytes, .iov_len = count};
  struct msghdr message = {
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control.space};
  ssize_t sent;
  do sent = sendmsg(socket, &message, MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  return sent;
}

void snapmgr_name_thread(const char *name) {
  pthread_setname_np(pthread_self(), name);
}
