// e2fsprogs' library, read-only, over bytes that a function gives; and around it what Swift cannot do:
// the table of functions that its I/O is, and its callbacks.
//
// One handle serves one thread at a time. Nothing is written, and the journal is not replayed.
#ifndef SNAPMGR_CEXT2_H
#define SNAPMGR_CEXT2_H

#include <stddef.h>
#include <stdint.h>

/// Fills `bytes` from `offset` on; 0, or an errno.
typedef int (*snapmgr_ext2_source)(void *context, uint64_t offset, void *bytes, size_t count);

/// An open filesystem.
typedef struct snapmgr_ext2 snapmgr_ext2;

struct snapmgr_ext2_facts {
  uint64_t block_count;
  uint32_t block_bytes;
  uint32_t inode_count;
  uint32_t inode_bytes;
  uint32_t inodes_per_group;
  uint32_t group_count;
  uint32_t root;
  uint32_t journal;
  /// Its last changes are in the journal alone.
  int needs_recovery;
  /// It was not unmounted in order, and has no journal.
  int is_dirty;
  /// Its files may have extended attributes.
  int has_attributes;
};

struct snapmgr_ext2_time {
  int64_t seconds;
  uint32_t nanoseconds;
};

struct snapmgr_ext2_inode {
  uint64_t bytes;
  /// What it occupies, in bytes.
  uint64_t allocated_bytes;
  uint32_t user;
  uint32_t group;
  uint32_t links;
  uint32_t generation;
  uint32_t flags;
  uint32_t device_major;
  uint32_t device_minor;
  uint16_t mode;
  struct snapmgr_ext2_time accessed;
  struct snapmgr_ext2_time modified;
  struct snapmgr_ext2_time changed;
  struct snapmgr_ext2_time born;
};

// Of the following, 0 is success; all else is for snapmgr_ext2_message.

/// Opens a filesystem of so many bytes; closes nothing when it fails.
long snapmgr_ext2_open(snapmgr_ext2_source source, void *context, uint64_t bytes,
                       snapmgr_ext2 **opened);
void snapmgr_ext2_close(snapmgr_ext2 *filesystem);

/// What the library says of a result.
const char *snapmgr_ext2_message(long result);

/// Whether a result means that nothing has the name.
int snapmgr_ext2_is_absence(long result);

/// Whether a result means that the filesystem has a feature that the library does not know.
int snapmgr_ext2_is_newer(long result);

/// Whether a result says nothing of the filesystem: there is no memory, or what was to be read did not come.
int snapmgr_ext2_is_of_machine(long result);

void snapmgr_ext2_facts(snapmgr_ext2 *filesystem, struct snapmgr_ext2_facts *facts);

/// The first block of a group's inode table; 0 when there is no such group.
uint64_t snapmgr_ext2_inode_table(snapmgr_ext2 *filesystem, uint32_t group);

long snapmgr_ext2_stat(snapmgr_ext2 *filesystem, uint32_t inode, struct snapmgr_ext2_inode *status);

/// The inode that has a name in a folder.
long snapmgr_ext2_lookup(snapmgr_ext2 *filesystem, uint32_t folder, const char *name, int length,
                         uint32_t *inode);

/// Called for each name of a folder, `.` and `..` too; not 0 ends it. `kind` is EXT2_FT_*.
typedef int (*snapmgr_ext2_on_name)(void *context, const uint8_t *name, size_t length,
                                    uint32_t inode, int kind);
long snapmgr_ext2_list(snapmgr_ext2 *filesystem, uint32_t folder, snapmgr_ext2_on_name on_name,
                       void *context);

/// Called for each stretch of a file's blocks that has data, in their order in the file; not 0 ends it.
typedef int (*snapmgr_ext2_on_stretch)(void *context, uint64_t file_block, uint64_t block,
                                       uint64_t count);
long snapmgr_ext2_stretches(snapmgr_ext2 *filesystem, uint32_t inode,
                            snapmgr_ext2_on_stretch on_stretch, void *context);

/// Reads the beginning of a file or of a symbolic link's target, wherever it lies: in blocks, or in the
/// inode itself.
long snapmgr_ext2_head(snapmgr_ext2 *filesystem, uint32_t inode, void *bytes, size_t limit,
                       size_t *count);

/// Whether a file's content lies in its inode.
int snapmgr_ext2_is_inline(uint32_t flags);
/// Whether a file's content, and a folder's names, are encrypted.
int snapmgr_ext2_is_encrypted(uint32_t flags);

/// Called for each extended attribute, with its whole name; not 0 ends it.
typedef int (*snapmgr_ext2_on_attribute)(void *context, const char *name, const uint8_t *value,
                                         size_t length);
long snapmgr_ext2_attributes(snapmgr_ext2 *filesystem, uint32_t inode,
                             snapmgr_ext2_on_attribute on_attribute, void *context);

#endif
