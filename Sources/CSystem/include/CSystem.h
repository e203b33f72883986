// System calls that Swift cannot import: ioctl requests are function-like macros, and some flags
// live in headers that the Glibc module leaves out. Each function returns what the call returned
// and leaves its reason in errno.
#ifndef SNAPMGR_CSYSTEM_H
#define SNAPMGR_CSYSTEM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/// Shares the source's extents with the destination (FICLONERANGE): 0, or -1.
int snapmgr_clone_range(int destination, int64_t destination_offset,
                        int source, int64_t source_offset, int64_t length);

/// Copies within the kernel (copy_file_range): bytes copied, or -1.
ssize_t snapmgr_copy_file_range(int source, int64_t source_offset,
                                int destination, int64_t destination_offset, size_t length);

/// Frees a range; it reads as zeroes afterwards and the size stays: 0, or -1.
int snapmgr_punch_hole(int descriptor, int64_t offset, int64_t length);

/// Allocates a range without writing it; the size stays: 0, or -1.
int snapmgr_allocate(int descriptor, int64_t offset, int64_t length);

/// Zeroes a range and keeps it allocated; the size stays: 0, or -1.
int snapmgr_zero_range(int descriptor, int64_t offset, int64_t length);

/// Starts writing a range's dirty pages without waiting for them: 0, or -1.
int snapmgr_start_writeback(int descriptor, int64_t offset, int64_t length);

/// The offset of the next data or the next hole (SEEK_DATA, SEEK_HOLE), or -1.
int64_t snapmgr_seek_data(int descriptor, int64_t offset);
int64_t snapmgr_seek_hole(int descriptor, int64_t offset);

/// The size in bytes of a block device (BLKGETSIZE64): 0, or -1.
int snapmgr_block_device_bytes(int descriptor, uint64_t *bytes);

/// The user id of the process at the other end of a connected Unix socket: 0, or -1.
int snapmgr_peer_user(int socket, uint32_t *user);

/// Takes a shared lock on one byte, which belongs to the open file description (F_OFD_SETLK), or
/// gives it back; never waits: 0, or -1.
int snapmgr_lock_byte(int descriptor, int64_t offset);
int snapmgr_unlock_byte(int descriptor, int64_t offset);

/// Whether another open file description has locked a byte (F_OFD_GETLK): 1, 0, or -1.
int snapmgr_byte_is_locked(int descriptor, int64_t offset);

/// When a file was made (statx): 1 with the nanoseconds since 1970, or 0 where the filesystem does
/// not keep it.
int snapmgr_birth_time(int descriptor, int64_t *nanoseconds);

/// A moment: seconds since 1970, and nanoseconds behind them.
typedef struct {
  int64_t seconds;
  uint32_t nanoseconds;
} snapmgr_moment;

/// What the kernel says of a file, a folder, or anything else that has a name.
typedef struct {
  uint64_t inode;
  uint64_t bytes;
  /// Of 512 bytes.
  uint64_t blocks;
  uint32_t filesystem_major, filesystem_minor;
  /// Of a device's node.
  uint32_t device_major, device_minor;
  uint32_t user, group, links;
  uint16_t mode;
  int is_encrypted;
  int has_birth;
  snapmgr_moment accessed, modified, changed, born;
} snapmgr_node;

/// Looks at a name in an open folder, at a symbolic link itself; an empty name is the folder (statx): 0, or -1.
int snapmgr_look(int folder, const char *name, snapmgr_node *node);

/// The name in what readdir has given, which may be longer than its declaration says; its length in bytes.
const void *snapmgr_entry_name(const void *entry, long *length);

/// The names of a path's extended attributes (listxattr), and the value of one (getxattr): how many bytes, or -1.
long snapmgr_attribute_names(const char *path, char *names, size_t size);
long snapmgr_attribute(const char *path, const char *name, void *value, size_t size);

/// Whether the file's filesystem makes flock of byte locks, which then meet those of the same file.
int snapmgr_flock_is_emulated(int descriptor);

/// The process at the other end, of a server the one that began to listen: 0, or -1.
int snapmgr_peer_process(int socket, pid_t *process);

/// Sends bytes to the other end of a Unix socket, and a descriptor with them: how many bytes went, or -1.
long snapmgr_send_descriptor(int socket, const void *bytes, size_t count, int passed);

/// Names the calling thread, for debuggers and top; at most 15 characters.
void snapmgr_name_thread(const char *name);

/// A pipe whose ends no program inherits; both lie above the standard descriptors, and reading
/// never waits: 0, or -1.
int snapmgr_pipe(int descriptors[2]);

/// Two connected sockets that no program inherits, above the standard descriptors: 0, or -1.
int snapmgr_socket_pair(int descriptors[2]);

/// A file in memory that no program inherits and that never holds more than so many bytes, or -1.
int snapmgr_memory_file(const char *name, long bytes);

/// Starts a program in a session, or only a process group, of its own, in the folder /, with default signals, nothing on
/// standard input, and no other descriptors than these: `output` becomes standard output and error
/// (if negative: nothing, and the standard error of this process), `extra`, if any, becomes 3.
/// 0, or the error's number.
int snapmgr_spawn(const char *path, char *const arguments[], char *const environment[],
                  int output, int extra, int leads_session, pid_t *id);

/// Starts a program that is no child of this process, so that it does not end with it, in a session of
/// another one's, in the folder /, with default signals, nothing on standard input, `output` as standard
/// output and error, and no other descriptors: 0, or the error's number.
int snapmgr_spawn_orphan(const char *path, char *const arguments[], char *const environment[],
                         int output, pid_t *id);

/// A descriptor that becomes readable when a process ends (pidfd_open), or -1.
int snapmgr_process_descriptor(pid_t id);

/// Whether a child has ended; it can still be waited for, so its id is not another's yet.
int snapmgr_has_ended(pid_t id);

extern int snapmgr_locks_are_checked;

/// Whether the order of locks is checked: SNAPMGR_CHECKS_LOCKS was set when the process started.
static inline int snapmgr_checks_locks(void) { return snapmgr_locks_are_checked; }

/// Notes that this thread takes a lock of this rank, or gives one back. One that is taken while the
/// thread holds another of the same rank or a higher one ends the process.
void snapmgr_locks_take(int rank, const char *name);
void snapmgr_locks_give(int rank);

/// Ends the process when this thread holds a lock of this rank or a higher one; `doing` is what it is
/// about to do.
void snapmgr_locks_require_below(int rank, const char *doing);

/// Has what this thread holds count for nothing until it is taken up again: a test that plays another
/// machine's part. What is returned is to be given back.
int snapmgr_locks_set_aside(void);
void snapmgr_locks_take_up(int before);

/// Renames within open folders; EEXIST, and nothing done, when the new name is taken (renameat2): 0, or -1.
int snapmgr_rename_new(int folder, const char *name, int new_folder, const char *new_name);

/// Gives two names in an open folder to each other in one step (renameat2): 0, or -1.
int snapmgr_rename_exchange(int folder, const char *name, const char *other);

/// Writes out what the filesystem of an open file has in memory (syncfs): 0, or -1.
int snapmgr_sync_around(int descriptor);

/// Makes some pages of an open file durable, and not the rest of it: msync of a mapping, which the kernel
/// does as fdatasync of that range. 0, or -1.
int snapmgr_sync_range(int descriptor, int64_t offset, size_t length);

/// Gives an open file an extended attribute (fsetxattr), or takes one away (fremovexattr): 0, or -1.
int snapmgr_set_attribute(int descriptor, const char *name, const void *value, size_t length);
int snapmgr_remove_attribute(int descriptor, const char *name);
/// Gives what a path leads to an extended attribute (setxattr), for what cannot be opened: 0, or -1.
int snapmgr_set_path_attribute(const char *path, const char *name, const void *value,
                               size_t length);

/// Makes a device's node or a FIFO in an open folder (mknodat): 0, or -1.
int snapmgr_make_node(int folder, const char *name, uint32_t mode, uint32_t major, uint32_t minor);

/// A device's number as stat tells it (makedev).
uint64_t snapmgr_device_number(uint32_t major, uint32_t minor);

/// The CRC-32C of some bytes that follow others whose CRC-32C is `checksum`; 0 where none do.
uint32_t snapmgr_crc32c(uint32_t checksum, const void *bytes, size_t length);
/// The same without the processor's own instructions.
uint32_t snapmgr_crc32c_by_tables(uint32_t checksum, const void *bytes, size_t length);

/// Has malloc give blocks of so many bytes and more back to the kernel as soon as they are free: 0, or -1.
/// Without it, each that is freed raises the size from which that is done, up to 32 MiB.
int snapmgr_return_blocks_from(int bytes);

/// The arguments of this process, the program's name first, as the kernel passed them. NULL follows.
char *const *snapmgr_arguments(void);

#endif
