// libdevmapper, and around it what Swift cannot do: the variadic log callback, arrays at the end of
// structures, ioctls, and the guard that must resume devices when this process can no longer.
#ifndef SNAPMGR_CDEVICEMAPPER_H
#define SNAPMGR_CDEVICEMAPPER_H

#include <libdevmapper.h>
#include <stddef.h>
#include <stdint.h>

// libdevmapper is not safe for threads, and its log is one for the whole process: everything of
// this group is called by one thread at a time.

/// Sets libdevmapper up for this process, once: names are taken as they are, nothing is printed.
void snapmgr_dm_prepare(void);

/// Forgets the messages so far.
void snapmgr_dm_clear_messages(void);

/// The errors that libdevmapper has reported since, separated by "; "; valid until the next call.
const char *snapmgr_dm_messages(void);

/// The devices of a DM_DEVICE_LIST task: the first one, the one behind another, or NULL; its name.
const struct dm_names *snapmgr_dm_first_name(struct dm_task *task);
const struct dm_names *snapmgr_dm_next_name(const struct dm_names *names);
const char *snapmgr_dm_name(const struct dm_names *names);

/// The targets of a DM_DEVICE_LIST_VERSIONS task, likewise.
const struct dm_versions *snapmgr_dm_first_version(struct dm_task *task);
const struct dm_versions *snapmgr_dm_next_version(const struct dm_versions *versions);
const char *snapmgr_dm_version_name(const struct dm_versions *versions);

/// The devices of a DM_DEVICE_DEPS task, as the kernel's numbers: how many, and one of them.
uint32_t snapmgr_dm_dependency_count(struct dm_task *task);
uint64_t snapmgr_dm_dependency(struct dm_task *task, uint32_t index);

// What follows goes to the kernel without libdevmapper, from any thread: a suspend or a load that
// takes its time must keep no other thread from resuming what it has suspended; and libdevmapper,
// once it has read a large table, makes every later request with a buffer as large. 0, or -1 with
// errno.

/// Suspends a device (DM_DEV_SUSPEND).
int snapmgr_dm_suspend(const char *name, int freezes_filesystem, int flushes);

/// Resumes a device, and tells udev's rules `udev_flags` (DM_UDEV_*).
int snapmgr_dm_resume(const char *name, uint16_t udev_flags);

/// Loads `count` rows (struct dm_target_spec and arguments) into the inactive table (DM_TABLE_LOAD).
int snapmgr_dm_load(const char *name, const void *rows, size_t length, uint32_t count,
                    int is_read_only);

struct snapmgr_dm_rows {
  /// The buffer was too small.
  int is_cut;
  uint32_t count;
  /// Where in the buffer the first row begins.
  uint32_t start;
};

/// Fills a buffer with the live table's rows, with their arguments or their statuses
/// (DM_TABLE_STATUS).
int snapmgr_dm_read_rows(const char *name, int wants_table, void *buffer, size_t size,
                         struct snapmgr_dm_rows *rows);

/// Has poll(2) on this descriptor of /dev/mapper/control tell what happens to devices from now on, and
/// not what has happened before (DM_DEV_ARM_POLL).
int snapmgr_dm_arm_events(int control);

// The guard: a process that resumes devices when this one dies or takes too long.

// What a guard lacks.
enum {
  /// Its memory is not locked: it may have to be read from a disk that is suspended.
  SNAPMGR_GUARD_MAY_BE_PAGED_OUT = 1,
  /// A kernel that is short of memory may kill it.
  SNAPMGR_GUARD_MAY_BE_KILLED = 2,
};

struct snapmgr_guard {
  int socket;
  int process;
  int weaknesses;
};

/// Starts a guard over `count` devices, for so many milliseconds. When it returns 0 the guard is
/// ready and needs neither memory nor any file anymore; otherwise there is none, and errno says why.
int snapmgr_guard_begin(struct snapmgr_guard *guard, const char *const *names, size_t count,
                        int drops_inactive_tables, int64_t milliseconds);

/// Leaves it to a guard to resume all devices, as if this process had died, and waits for that: 1 when
/// it is done, 0 when the time has passed; the guard then goes on by itself.
int snapmgr_guard_abandon(struct snapmgr_guard *guard, int64_t milliseconds);

/// Dismisses a guard: 0 if it did nothing, 1 if the time had passed.
int snapmgr_guard_end(struct snapmgr_guard *guard);

// Loop devices; see loop(4). Each returns what ioctl returned, and leaves its reason in errno.

struct snapmgr_loop_status {
  /// The backing file's device and inode, as stat tells them.
  uint64_t device;
  uint64_t inode;
  /// If the backing file is a block device, its number.
  uint64_t backing_number;
  int is_read_only;
  int is_direct;
  /// What the device was called when it was attached (lo_file_name). The kernel keeps it as it is.
  char label[64];
};

struct snapmgr_loop_options {
  int is_read_only;
  int is_direct;
  /// The part of the file that the device is made of, in bytes; no limit is 0.
  uint64_t offset;
  uint64_t size_limit;
  /// At most 63 bytes.
  const char *label;
};

/// The number of a free loop device, or -1.
int snapmgr_loop_free(int control);
int snapmgr_loop_configure(int loop, int file, const struct snapmgr_loop_options *options);
int snapmgr_loop_status(int loop, struct snapmgr_loop_status *status);
const char *snapmgr_loop_label(const struct snapmgr_loop_status *status);
int snapmgr_loop_clear(int loop);
int snapmgr_loop_refresh_capacity(int loop);

/// The size of a block device's logical sectors in bytes (BLKSSZGET): 0, or -1.
int snapmgr_block_logical_size(int descriptor, int *bytes);

/// Whether a file has an access list (acl(5)) besides its mode.
int snapmgr_has_access_list(const char *path);

/// Writes out the filesystem that an open file or folder lies on; see syncfs(2).
int snapmgr_sync_filesystem(int descriptor);

/// Has Btrfs forget a device of which nothing is mounted, so that its UUID is not taken for that device's:
/// 0, or -1.
int snapmgr_btrfs_forget(const char *path);

#endif
