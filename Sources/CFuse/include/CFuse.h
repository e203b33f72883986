// libfuse's low-level interface for a tree that is only read, and whose files never change: a mount, its
// requests one after the other, and around them what Swift cannot do, a table of functions with bit fields.
//
// One thread uses a session.
#ifndef SNAPMGR_CFUSE_H
#define SNAPMGR_CFUSE_H

#include <stddef.h>
#include <stdint.h>

/// The root's number.
#define SNAPMGR_FUSE_ROOT 1

struct snapmgr_fuse_time {
  int64_t seconds;
  uint32_t nanoseconds;
};

/// What the kernel is told of a node.
struct snapmgr_fuse_node {
  /// 0: nothing has the name.
  uint64_t number;
  /// Of a name in a list, only the number and the kind are told.
  int is_name_alone;
  uint64_t bytes;
  uint64_t allocated_bytes;
  uint32_t mode;
  uint32_t user;
  uint32_t group;
  uint32_t links;
  uint32_t device_major;
  uint32_t device_minor;
  struct snapmgr_fuse_time accessed;
  struct snapmgr_fuse_time modified;
  struct snapmgr_fuse_time changed;
  /// For how long it need not be asked for again: what the node says of itself, and that it has its name.
  double node_seconds;
  double name_seconds;
};

/// Names that answer a request for a folder's.
typedef struct snapmgr_fuse_names snapmgr_fuse_names;

/// Adds a name; 0 when it has no room any more. `next` is where a list goes on behind it.
int snapmgr_fuse_add(snapmgr_fuse_names *names, const char *name,
                     const struct snapmgr_fuse_node *node, uint64_t next);

/// What answers the kernel. Each returns 0, or an errno.
struct snapmgr_fuse_calls {
  int (*lookup)(void *context, uint64_t folder, const char *name, struct snapmgr_fuse_node *node);
  int (*look)(void *context, uint64_t number, struct snapmgr_fuse_node *node);
  /// A symbolic link's target, which ends with a zero byte within the limit.
  int (*target)(void *context, uint64_t number, char *bytes, size_t limit);
  int (*open_file)(void *context, uint64_t number);
  int (*open_folder)(void *context, uint64_t number, uint64_t *handle);
  void (*close_folder)(void *context, uint64_t handle);
  /// Adds the names from a position on, as many as there is room for.
  int (*list)(void *context, uint64_t handle, uint64_t position, snapmgr_fuse_names *names);
  int (*read)(void *context, uint64_t number, uint64_t offset, void *bytes, size_t count,
              size_t *got);
  /// Where data, or a hole, begins from an offset on.
  int (*seek)(void *context, uint64_t number, uint64_t offset, int for_data, uint64_t *found);
  /// Of the extended attribute `name`, its value; without a name, all names, each with a zero byte.
  /// ERANGE when the limit is not 0 and less than that; `count` is told in any case.
  int (*attribute)(void *context, uint64_t number, const char *name, void *bytes, size_t limit,
                   size_t *count);
};

typedef struct snapmgr_fuse snapmgr_fuse;

/// Mounts on a folder; 0, or an errno.
///
/// `options` is what libfuse takes behind -o. `follows_lists`: the kernel looks at access lists.
int snapmgr_fuse_mount(const struct snapmgr_fuse_calls *calls, void *context, const char *folder,
                       const char *options, int follows_lists, snapmgr_fuse **mounted);

/// Waits for a request and answers it. 1 when there was one, 0 when there was none in time, -1 when it is
/// not mounted any more.
int snapmgr_fuse_serve(snapmgr_fuse *session, int milliseconds);

/// Ends the session, and unmounts it if it is mounted from an ordinary user's process.
void snapmgr_fuse_end(snapmgr_fuse *session);

/// Gives memory that is free back to the system.
void snapmgr_fuse_trim(void);

#endif
