#define _GNU_SOURCE
#include "handle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

long snapmgr_ext2_read_inode(struct snapmgr_ext2 *self, uint32_t number,
                             struct ext2_inode_large *inode) {
  if (number == 0 || number > self->filesystem->super->s_inodes_count) return EXT2_ET_BAD_INODE_NUM;
  memset(inode, 0, sizeof *inode);
  return ext2fs_read_inode_full(self->filesystem, number, (struct ext2_inode *)inode,
                                sizeof *inode);
}

/// The two lowest bits of the extra field go on where the 32 bits of the seconds end.
static struct snapmgr_ext2_time whole_time(uint32_t seconds, uint32_t extra, int has_extra) {
  struct snapmgr_ext2_time time = {.seconds = (int32_t)seconds};
  if (!has_extra) return time;
  time.seconds += (int64_t)(extra & 3) << 32;
  uint32_t nanoseconds = extra >> 2;
  time.nanoseconds = nanoseconds < 1000000000 ? nanoseconds : 0;
  return time;
}

/// As the kernel decodes what it has in the first blocks of a device's inode.
static void decode_device(const struct ext2_inode_large *inode, struct snapmgr_ext2_inode *status) {
  if (inode->i_block[0]) {
    status->device_major = (inode->i_block[0] >> 8) & 0xff;
    status->device_minor = inode->i_block[0] & 0xff;
  } else {
    uint32_t device = inode->i_block[1];
    status->device_major = (device & 0xfff00) >> 8;
    status->device_minor = (device & 0xff) | ((device >> 12) & 0xfff00);
  }
}

static int has_field(const struct ext2_inode_large *inode, size_t end) {
  return (size_t)EXT2_GOOD_OLD_INODE_SIZE + inode->i_extra_isize >= end;
}

#define HAS(inode, field)                                                                          \
  has_field(inode, offsetof(struct ext2_inode_large, field) + sizeof((inode)->field))

long snapmgr_ext2_stat(snapmgr_ext2 *self, uint32_t number, struct snapmgr_ext2_inode *status) {
  struct ext2_inode_large inode;
  long result = snapmgr_ext2_read_inode(self, number, &inode);
  if (result) return result;
  int is_large = EXT2_INODE_SIZE(self->filesystem->super) > EXT2_GOOD_OLD_INODE_SIZE;
  if (!is_large) inode.i_extra_isize = 0;
  struct ext2_inode *small = (struct ext2_inode *)&inode;
  uint64_t sectors = (uint64_t)ext2fs_get_stat_i_blocks(self->filesystem, small);
  *status = (struct snapmgr_ext2_inode){
      .bytes = EXT2_I_SIZE(&inode),
      .allocated_bytes = sectors > UINT64_MAX / 512 ? UINT64_MAX : sectors * 512,
      .user = inode_uid(inode),
      .group = inode_gid(inode),
      .links = inode.i_links_count,
      .generation = inode.i_generation,
      .flags = inode.i_flags,
      .mode = inode.i_mode,
      .accessed = whole_time(inode.i_atime, inode.i_atime_extra, HAS(&inode, i_atime_extra)),
      .modified = whole_time(inode.i_mtime, inode.i_mtime_extra, HAS(&inode, i_mtime_extra)),
      .changed = whole_time(inode.i_ctime, inode.i_ctime_extra, HAS(&inode, i_ctime_extra)),
  };
  if (HAS(&inode, i_crtime_extra))
    status->born = whole_time(inode.i_crtime, inode.i_crtime_extra, 1);
  if (S_ISBLK(inode.i_mode) || S_ISCHR(inode.i_mode)) decode_device(&inode, status);
  return 0;
}

int snapmgr_ext2_is_inline(uint32_t flags) { return (flags & EXT4_INLINE_DATA_FL) != 0; }
int snapmgr_ext2_is_encrypted(uint32_t flags) { return (flags & EXT4_ENCRYPT_FL) != 0; }

// MARK: Content that is short

static long inline_head(struct snapmgr_ext2 *self, uint32_t number, void *bytes, size_t limit,
                        size_t *count) {
  size_t size = 0;
  errcode_t result = ext2fs_inline_data_size(self->filesystem, number, &size);
  if (result) return result;
  if (size > 65536) return EXT2_ET_INLINE_DATA_CANT_ITERATE;
  char *whole = calloc(1, size + 1);
  if (!whole) return EXT2_ET_NO_MEMORY;
  result = ext2fs_inline_data_get(self->filesystem, number, NULL, whole, &size);
  if (!result) {
    *count = size < limit ? size : limit;
    memcpy(bytes, whole, *count);
  }
  free(whole);
  return result;
}

static long file_head(struct snapmgr_ext2 *self, uint32_t number, void *bytes, size_t limit,
                      size_t *count) {
  ext2_file_t file;
  errcode_t result = ext2fs_file_open(self->filesystem, number, 0, &file);
  if (result) return result;
  unsigned int got = 0;
  result = ext2fs_file_read(file, bytes, (unsigned int)limit, &got);
  ext2fs_file_close(file);
  *count = got;
  return result;
}

long snapmgr_ext2_head(snapmgr_ext2 *self, uint32_t number, void *bytes, size_t limit,
                       size_t *count) {
  struct ext2_inode_large inode;
  *count = 0;
  if (limit > 1 << 20) return EXT2_ET_INVALID_ARGUMENT;
  long result = snapmgr_ext2_read_inode(self, number, &inode);
  if (result) return result;
  if (inode.i_flags & EXT4_INLINE_DATA_FL) {
    result = inline_head(self, number, bytes, limit, count);
    uint64_t size = EXT2_I_SIZE(&inode);
    if (!result && *count > size) *count = (size_t)size;
    return result;
  }
  if (LINUX_S_ISLNK(inode.i_mode) && ext2fs_is_fast_symlink((struct ext2_inode *)&inode)) {
    uint64_t size = EXT2_I_SIZE(&inode);
    if (size > sizeof inode.i_block) return EXT2_ET_SYMLINK_LOOP;
    *count = size < limit ? (size_t)size : limit;
    memcpy(bytes, inode.i_block, *count);
    return 0;
  }
  return file_head(self, number, bytes, limit, count);
}

// MARK: Extended attributes

struct attribute_pass {
  struct ext2_xattr_handle *attributes;
  snapmgr_ext2_on_attribute on_attribute;
  void *context;
  errcode_t result;
};

static int on_attribute(char *name, char *value, size_t length, void *data) {
  (void)value, (void)length;
  struct attribute_pass *pass = data;
  // A file's own content that lies in its inode.
  if (!strcmp(name, "system.data")) return 0;
  void *translated = NULL;
  size_t size = 0;
  // As the kernel gives it: access lists have another form on the disk.
  pass->result = ext2fs_xattr_get(pass->attributes, name, &translated, &size);
  if (pass->result) return XATTR_ABORT;
  int ends = pass->on_attribute(pass->context, name, translated, size);
  ext2fs_free_mem(&translated);
  return ends ? XATTR_ABORT : 0;
}

long snapmgr_ext2_attributes(snapmgr_ext2 *self, uint32_t number,
                             snapmgr_ext2_on_attribute callback, void *context) {
  struct attribute_pass pass = {.on_attribute = callback, .context = context};
  if (number == 0 || number > self->filesystem->super->s_inodes_count) return EXT2_ET_BAD_INODE_NUM;
  errcode_t result = ext2fs_xattrs_open(self->filesystem, number, &pass.attributes);
  // A filesystem that was made without them has none.
  if (result == EXT2_ET_MISSING_EA_FEATURE) return 0;
  if (result) return result;
  result = ext2fs_xattrs_read(pass.attributes);
  if (!result) result = ext2fs_xattrs_iterate(pass.attributes, on_attribute, &pass);
  ext2fs_xattrs_close(&pass.attributes);
  return result ? result : pass.result;
}
