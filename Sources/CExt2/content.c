#define _GNU_SOURCE
#include "handle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// MARK: Folders

struct name_pass {
  snapmgr_ext2_on_name on_name;
  void *context;
};

static int on_name(ext2_ino_t folder, int entry, struct ext2_dir_entry *dirent, int offset,
                   int block_size, char *buffer, void *data) {
  (void)folder, (void)entry, (void)offset, (void)block_size, (void)buffer;
  struct name_pass *pass = data;
  int ends = pass->on_name(pass->context, (const uint8_t *)dirent->name,
                           (size_t)ext2fs_dirent_name_len(dirent), dirent->inode,
                           ext2fs_dirent_file_type(dirent));
  return ends ? DIRENT_ABORT : 0;
}

/// The library looks at the kind as well, but not in each of its functions.
static long require_folder(struct snapmgr_ext2 *self, uint32_t number) {
  struct ext2_inode_large inode;
  long result = snapmgr_ext2_read_inode(self, number, &inode);
  if (result) return result;
  return LINUX_S_ISDIR(inode.i_mode) ? 0 : EXT2_ET_NO_DIRECTORY;
}

long snapmgr_ext2_list(snapmgr_ext2 *self, uint32_t folder, snapmgr_ext2_on_name callback,
                       void *context) {
  struct name_pass pass = {callback, context};
  long result = require_folder(self, folder);
  if (result) return result;
  return ext2fs_dir_iterate2(self->filesystem, folder, 0, NULL, on_name, &pass);
}

long snapmgr_ext2_lookup(snapmgr_ext2 *self, uint32_t folder, const char *name, int length,
                         uint32_t *inode) {
  long result = require_folder(self, folder);
  if (result) return result;
  ext2_ino_t found = 0;
  result = ext2fs_lookup(self->filesystem, folder, name, length, NULL, &found);
  *inode = found;
  return result;
}

// MARK: Where a file's content lies

struct stretch_pass {
  snapmgr_ext2_on_stretch on_stretch;
  void *context;
  uint64_t file_block, block, count;
  int has_ended;
};

static void give(struct stretch_pass *pass) {
  if (pass->count && !pass->has_ended)
    pass->has_ended =
        pass->on_stretch(pass->context, pass->file_block, pass->block, pass->count) != 0;
  pass->count = 0;
}

static void add(struct stretch_pass *pass, uint64_t file_block, uint64_t block, uint64_t count) {
  if (pass->count && pass->file_block + pass->count == file_block &&
      pass->block + pass->count == block) {
    pass->count += count;
    return;
  }
  give(pass);
  pass->file_block = file_block;
  pass->block = block;
  pass->count = count;
}

static int on_block(ext2_filsys filesystem, blk64_t *block, e2_blkcnt_t file_block,
                    blk64_t reference, int offset, void *data) {
  (void)filesystem, (void)reference, (void)offset;
  struct stretch_pass *pass = data;
  if (*block && file_block >= 0) add(pass, (uint64_t)file_block, *block, 1);
  return pass->has_ended ? BLOCK_ABORT : 0;
}

/// Leaves of the tree of extents, those without content left out.
static long extents(struct snapmgr_ext2 *self, uint32_t number, struct stretch_pass *pass) {
  ext2_extent_handle_t handle;
  errcode_t result = ext2fs_extent_open(self->filesystem, number, &handle);
  if (result) return result;
  struct ext2fs_extent extent;
  result = ext2fs_extent_get(handle, EXT2_EXTENT_ROOT, &extent);
  while (!result && !pass->has_ended) {
    int is_data = (extent.e_flags & EXT2_EXTENT_FLAGS_LEAF) &&
                  !(extent.e_flags & (EXT2_EXTENT_FLAGS_UNINIT | EXT2_EXTENT_FLAGS_SECOND_VISIT));
    if (is_data) add(pass, extent.e_lblk, extent.e_pblk, extent.e_len);
    result = ext2fs_extent_get(handle, EXT2_EXTENT_NEXT, &extent);
  }
  ext2fs_extent_free(handle);
  int is_end = result == EXT2_ET_EXTENT_NO_NEXT || result == EXT2_ET_NO_CURRENT_NODE;
  return is_end ? 0 : result;
}

long snapmgr_ext2_stretches(snapmgr_ext2 *self, uint32_t number, snapmgr_ext2_on_stretch callback,
                            void *context) {
  struct stretch_pass pass = {.on_stretch = callback, .context = context};
  struct ext2_inode_large inode;
  long result = snapmgr_ext2_read_inode(self, number, &inode);
  if (result) return result;
  if (inode.i_flags & EXT4_EXTENTS_FL)
    result = extents(self, number, &pass);
  else
    result = ext2fs_block_iterate3(self->filesystem, number,
                                   BLOCK_FLAG_READ_ONLY | BLOCK_FLAG_DATA_ONLY, NULL, on_block,
                                   &pass);
  if (!result) give(&pass);
  return result;
}
