#define _GNU_SOURCE
#define FUSE_USE_VERSION 312
#include "CFuse.h"

#include <errno.h>
#include <fuse3/fuse_lowlevel.h>
#include <malloc.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

_Static_assert(SNAPMGR_FUSE_ROOT == FUSE_ROOT_ID, "the root has another number");

struct snapmgr_fuse {
  struct snapmgr_fuse_calls calls;
  void *context;
  int follows_lists;
  struct fuse_session *session;
  struct fuse_buf request;
};

struct snapmgr_fuse_names {
  fuse_req_t request;
  int has_nodes;
  char *bytes;
  size_t count, limit;
};

static struct snapmgr_fuse *session_of(fuse_req_t request) { return fuse_req_userdata(request); }

/// Calls what answers a request.
#define CALL(request, name, ...)                                                                   \
  session_of(request)->calls.name(session_of(request)->context, __VA_ARGS__)

static struct timespec timespec_of(struct snapmgr_fuse_time time) {
  return (struct timespec){.tv_sec = time.seconds, .tv_nsec = time.nanoseconds};
}

static struct stat stat_of(const struct snapmgr_fuse_node *node) {
  return (struct stat){
      .st_ino = node->number,
      .st_mode = node->mode,
      .st_nlink = node->links,
      .st_uid = node->user,
      .st_gid = node->group,
      .st_rdev = makedev(node->device_major, node->device_minor),
      .st_size = (off_t)node->bytes,
      .st_blocks = (blkcnt_t)(node->allocated_bytes / 512),
      .st_blksize = 4096,
      .st_atim = timespec_of(node->accessed),
      .st_mtim = timespec_of(node->modified),
      .st_ctim = timespec_of(node->changed),
  };
}

static struct fuse_entry_param entry_of(const struct snapmgr_fuse_node *node) {
  return (struct fuse_entry_param){
      // The kernel takes the number for a node that it is told of.
      .ino = node->is_name_alone ? 0 : node->number,
      .attr = stat_of(node),
      .attr_timeout = node->node_seconds,
      .entry_timeout = node->name_seconds,
  };
}

// MARK: Nodes

static void on_init(void *data, struct fuse_conn_info *connection) {
  struct snapmgr_fuse *self = data;
  // With each name comes what the node says of itself, always: to find a name in a long folder takes long.
  connection->want |= connection->capable & (FUSE_CAP_READDIRPLUS | FUSE_CAP_CACHE_SYMLINKS);
  connection->want &= ~(unsigned)FUSE_CAP_READDIRPLUS_AUTO;
  if (self->follows_lists) connection->want |= connection->capable & FUSE_CAP_POSIX_ACL;
}

static void on_lookup(fuse_req_t request, fuse_ino_t folder, const char *name) {
  struct snapmgr_fuse_node node = {0};
  int result = CALL(request, lookup, folder, name, &node);
  struct fuse_entry_param entry = entry_of(&node);
  if (result)
    fuse_reply_err(request, result);
  else
    fuse_reply_entry(request, &entry);
}

static void on_look(fuse_req_t request, fuse_ino_t number, struct fuse_file_info *file) {
  (void)file;
  struct snapmgr_fuse_node node = {0};
  int result = CALL(request, look, number, &node);
  struct stat status = stat_of(&node);
  if (result)
    fuse_reply_err(request, result);
  else
    fuse_reply_attr(request, &status, node.node_seconds);
}

static void on_target(fuse_req_t request, fuse_ino_t number) {
  char target[4097] = {0};
  int result = CALL(request, target, number, target, sizeof target);
  if (result)
    fuse_reply_err(request, result);
  else
    fuse_reply_readlink(request, target);
}

static void on_attribute(fuse_req_t request, fuse_ino_t number, const char *name, size_t limit) {
  // As much as the kernel ever takes.
  if (limit > 65536) limit = 65536;
  char *bytes = limit ? malloc(limit) : NULL;
  size_t count = 0;
  int result =
      limit && !bytes ? ENOMEM : CALL(request, attribute, number, name, bytes, limit, &count);
  if (result)
    fuse_reply_err(request, result);
  else if (limit)
    fuse_reply_buf(request, bytes, count);
  else
    fuse_reply_xattr(request, count);
  free(bytes);
}

static void on_attributes(fuse_req_t request, fuse_ino_t number, size_t limit) {
  on_attribute(request, number, NULL, limit);
}

// MARK: Files

static void on_open(fuse_req_t request, fuse_ino_t number, struct fuse_file_info *file) {
  int result = CALL(request, open_file, number);
  // What is in a file stays as it is.
  file->keep_cache = 1;
  if (result)
    fuse_reply_err(request, result);
  else
    fuse_reply_open(request, file);
}

static void on_read(fuse_req_t request, fuse_ino_t number, size_t count, off_t offset,
                    struct fuse_file_info *file) {
  (void)file;
  size_t got = 0;
  void *bytes = offset < 0 || count > 16 << 20 ? NULL : malloc(count ? count : 1);
  int result =
      bytes ? CALL(request, read, number, (uint64_t)offset, bytes, count, &got) : ENOMEM;
  if (result)
    fuse_reply_err(request, result);
  else
    fuse_reply_buf(request, bytes, got);
  free(bytes);
}

static void on_seek(fuse_req_t request, fuse_ino_t number, off_t offset, int whence,
                    struct fuse_file_info *file) {
  (void)file;
  int is_known = offset >= 0 && (whence == SEEK_DATA || whence == SEEK_HOLE);
  uint64_t found = 0;
  int result =
      is_known ? CALL(request, seek, number, (uint64_t)offset, whence == SEEK_DATA, &found)
               : EINVAL;
  if (result)
    fuse_reply_err(request, result);
  else
    fuse_reply_lseek(request, (off_t)found);
}

// MARK: Folders

static void on_open_folder(fuse_req_t request, fuse_ino_t number, struct fuse_file_info *file) {
  int result = CALL(request, open_folder, number, &file->fh);
  if (result)
    fuse_reply_err(request, result);
  else if (fuse_reply_open(request, file) != 0)
    // Who wanted it has gone.
    CALL(request, close_folder, file->fh);
}

static void on_close_folder(fuse_req_t request, fuse_ino_t number, struct fuse_file_info *file) {
  (void)number;
  CALL(request, close_folder, file->fh);
  fuse_reply_err(request, 0);
}

int snapmgr_fuse_add(snapmgr_fuse_names *names, const char *name,
                     const struct snapmgr_fuse_node *node, uint64_t next) {
  struct fuse_entry_param entry = entry_of(node);
  char *place = names->bytes + names->count;
  size_t room = names->limit - names->count, count;
  if (names->has_nodes)
    count = fuse_add_direntry_plus(names->request, place, room, name, &entry, (off_t)next);
  else
    count = fuse_add_direntry(names->request, place, room, name, &entry.attr, (off_t)next);
  if (count > room) return 0;
  names->count += count;
  return 1;
}

static void list(fuse_req_t request, size_t limit, off_t position, uint64_t handle, int has_nodes) {
  if (limit > 1 << 20) limit = 1 << 20;
  struct snapmgr_fuse_names names = {
      .request = request, .has_nodes = has_nodes, .bytes = calloc(1, limit + 1), .limit = limit};
  int result = names.bytes && position >= 0
                   ? CALL(request, list, handle, (uint64_t)position, &names)
                   : ENOMEM;
  if (result)
    fuse_reply_err(request, result);
  else
    fuse_reply_buf(request, names.bytes, names.count);
  free(names.bytes);
}

static void on_list(fuse_req_t request, fuse_ino_t number, size_t limit, off_t position,
                    struct fuse_file_info *file) {
  (void)number;
  list(request, limit, position, file->fh, 0);
}

static void on_long_list(fuse_req_t request, fuse_ino_t number, size_t limit, off_t position,
                         struct fuse_file_info *file) {
  (void)number;
  list(request, limit, position, file->fh, 1);
}

// MARK: Sessions

static const struct fuse_lowlevel_ops operations = {
    .init = on_init,
    .lookup = on_lookup,
    .getattr = on_look,
    .readlink = on_target,
    .open = on_open,
    .read = on_read,
    .opendir = on_open_folder,
    .readdir = on_list,
    .releasedir = on_close_folder,
    .getxattr = on_attribute,
    .listxattr = on_attributes,
    .readdirplus = on_long_list,
    .lseek = on_seek,
};

static int mount_on(snapmgr_fuse *self, const char *folder, const char *options) {
  char *arguments[] = {"snapmgr", "-o", (char *)options, NULL};
  struct fuse_args given = FUSE_ARGS_INIT(3, arguments);
  self->session = fuse_session_new(&given, &operations, sizeof operations, self);
  fuse_opt_free_args(&given);
  if (!self->session) return EINVAL;
  errno = 0;
  if (fuse_session_mount(self->session, folder) == 0) return 0;
  int code = errno ? errno : EPERM;
  fuse_session_destroy(self->session);
  return code;
}

int snapmgr_fuse_mount(const struct snapmgr_fuse_calls *calls, void *context, const char *folder,
                       const char *options, int follows_lists, snapmgr_fuse **mounted) {
  snapmgr_fuse *self = calloc(1, sizeof *self);
  if (!self) return ENOMEM;
  self->calls = *calls;
  self->context = context;
  self->follows_lists = follows_lists;
  int result = mount_on(self, folder, options);
  if (result) {
    free(self);
    return result;
  }
  *mounted = self;
  return 0;
}

int snapmgr_fuse_serve(snapmgr_fuse *self, int milliseconds) {
  struct pollfd state = {.fd = fuse_session_fd(self->session), .events = POLLIN};
  int ready = poll(&state, 1, milliseconds);
  if (ready < 0) return errno == EINTR ? 0 : -1;
  if (ready == 0) return 0;
  int count = fuse_session_receive_buf(self->session, &self->request);
  if (count == -EINTR || count == -EAGAIN) return 0;
  // It was unmounted.
  if (count <= 0) return -1;
  fuse_session_process_buf(self->session, &self->request);
  return fuse_session_exited(self->session) ? -1 : 1;
}

void snapmgr_fuse_end(snapmgr_fuse *self) {
  if (geteuid() != 0) fuse_session_unmount(self->session);
  fuse_session_destroy(self->session);
  free(self->request.mem);
  free(self);
}

void snapmgr_fuse_trim(void) { malloc_trim(0); }
