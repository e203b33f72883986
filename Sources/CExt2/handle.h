// What the sources of this target have in common.
#ifndef SNAPMGR_CEXT2_HANDLE_H
#define SNAPMGR_CEXT2_HANDLE_H

#include "CExt2.h"

#include <et/com_err.h>
#include <ext2fs/ext2_fs.h>
#include <ext2fs/ext2fs.h>

struct snapmgr_ext2 {
  ext2_filsys filesystem;
  snapmgr_ext2_source source;
  void *context;
  uint64_t bytes;
};

/// Reads the whole of an inode, for as much as this program knows of it.
long snapmgr_ext2_read_inode(struct snapmgr_ext2 *self, uint32_t number,
                             struct ext2_inode_large *inode);

#endif
