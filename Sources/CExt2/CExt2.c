#define _GNU_SOURCE
#include "CExt2.h"
#include "handle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct snapmgr_ext2 *handle(io_channel channel) { return channel->private_data; }

static errcode_t read_blocks(io_channel channel, unsigned long long block, int count, void *data) {
  struct snapmgr_ext2 *self = handle(channel);
  uint64_t size = (uint64_t)channel->block_size, offset, bytes;
  // A negative count is one of bytes.
  if (count < 0)
    bytes = (uint64_t) - (int64_t)count;
  else
    bytes = (uint64_t)count * size;
  if (__builtin_mul_overflow(block, size, &offset) || offset > self->bytes ||
      bytes > self->bytes - offset)
    return EXT2_ET_SHORT_READ;
  return self->source(self->context, offset, data, bytes);
}

static errcode_t read_blocks_short(io_channel channel, unsigned long block, int count, void *data) {
  return read_blocks(channel, block, count, data);
}

static errcode_t refuse_write(io_channel channel, unsigned long block, int count,
                              const void *data) {
  (void)channel, (void)block, (void)count, (void)data;
  return EXT2_ET_RO_FILSYS;
}

static errcode_t refuse_long_write(io_channel channel, unsigned long long block, int count,
                                   const void *data) {
  (void)channel, (void)block, (void)count, (void)data;
  return EXT2_ET_RO_FILSYS;
}

static errcode_t set_block_size(io_channel channel, int size) {
  if (size <= 0) return EXT2_ET_INVALID_ARGUMENT;
  channel->block_size = size;
  return 0;
}

static errcode_t flush(io_channel channel) {
  (void)channel;
  return 0;
}

static errcode_t close_channel(io_channel channel) {
  if (--channel->refcount > 0) return 0;
  free(channel->name);
  free(channel);
  return 0;
}

static errcode_t open_channel(const char *name, int flags, io_channel *opened);

static struct struct_io_manager manager = {
    .magic = EXT2_ET_MAGIC_IO_MANAGER,
    .name = "snapmgr",
    .open = open_channel,
    .close = close_channel,
    .set_blksize = set_block_size,
    .read_blk = read_blocks_short,
    .write_blk = refuse_write,
    .flush = flush,
    .read_blk64 = read_blocks,
    .write_blk64 = refuse_long_write,
};

// The library hands a name alone down to where channels are opened.
static __thread struct snapmgr_ext2 *being_opened;

static errcode_t open_channel(const char *name, int flags, io_channel *opened) {
  (void)flags;
  if (!being_opened) return EXT2_ET_BAD_DEVICE_NAME;
  io_channel channel = calloc(1, sizeof *channel);
  if (!channel) return EXT2_ET_NO_MEMORY;
  channel->name = strdup(name);
  if (!channel->name) {
    free(channel);
    return EXT2_ET_NO_MEMORY;
  }
  channel->magic = EXT2_ET_MAGIC_IO_CHANNEL;
  channel->manager = &manager;
  channel->block_size = 1024;
  channel->refcount = 1;
  channel->private_data = being_opened;
  *opened = channel;
  return 0;
}

long snapmgr_ext2_open(snapmgr_ext2_source source, void *context, uint64_t bytes,
                       snapmgr_ext2 **opened) {
  struct snapmgr_ext2 *self = calloc(1, sizeof *self);
  if (!self) return EXT2_ET_NO_MEMORY;
  self->source = source;
  self->context = context;
  self->bytes = bytes;
  being_opened = self;
  errcode_t result =
      ext2fs_open2("snapshot", NULL, EXT2_FLAG_64BITS, 0, 0, &manager, &self->filesystem);
  being_opened = NULL;
  if (result) {
    free(self);
    return result;
  }
  *opened = self;
  return 0;
}

void snapmgr_ext2_close(snapmgr_ext2 *self) {
  if (self->filesystem) ext2fs_free(self->filesystem);
  free(self);
}

const char *snapmgr_ext2_message(long result) {
  static __thread int is_ready;
  if (!is_ready) {
    initialize_ext2_error_table();
    is_ready = 1;
  }
  return error_message(result);
}

int snapmgr_ext2_is_absence(long result) { return result == EXT2_ET_FILE_NOT_FOUND; }

int snapmgr_ext2_is_newer(long result) {
  return result == EXT2_ET_UNSUPP_FEATURE || result == EXT2_ET_RO_UNSUPP_FEATURE ||
         result == EXT2_ET_REV_TOO_HIGH;
}

int snapmgr_ext2_is_of_machine(long result) {
  return result == EXT2_ET_NO_MEMORY || result == ENOMEM || result == EIO;
}

void snapmgr_ext2_facts(snapmgr_ext2 *self, struct snapmgr_ext2_facts *facts) {
  ext2_filsys filesystem = self->filesystem;
  struct ext2_super_block *super = filesystem->super;
  int has_journal = ext2fs_has_feature_journal(super);
  *facts = (struct snapmgr_ext2_facts){
      .block_count = ext2fs_blocks_count(super),
      .block_bytes = filesystem->blocksize,
      .inode_count = super->s_inodes_count,
      .inode_bytes = EXT2_INODE_SIZE(super),
      .inodes_per_group = super->s_inodes_per_group,
      .group_count = filesystem->group_desc_count,
      .root = EXT2_ROOT_INO,
      .journal = has_journal ? super->s_journal_inum : 0,
      .needs_recovery = ext2fs_has_feature_journal_needs_recovery(super) != 0,
      .is_dirty = !has_journal && !(super->s_state & EXT2_VALID_FS),
      .has_attributes =
          ext2fs_has_feature_xattr(super) || ext2fs_has_feature_inline_data(super),
  };
}

uint64_t snapmgr_ext2_inode_table(snapmgr_ext2 *self, uint32_t group) {
  if (group >= self->filesystem->group_desc_count) return 0;
  return ext2fs_inode_table_loc(self->filesystem, group);
}
