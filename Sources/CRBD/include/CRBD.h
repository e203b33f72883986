// librados and librbd, loaded when they are first needed: a machine without Ceph needs neither. Ceph's headers
// type the pointers in CRBD.c; here, what is opaque to the caller is a void pointer, and errors are negative
// error numbers, as the libraries give them.
#ifndef SNAPMGR_CRBD_H
#define SNAPMGR_CRBD_H

#include <stddef.h>
#include <stdint.h>

/// Loads the libraries, once. Returns 0, or -1 with the loader's words in `message`. Any thread may call.
int snapmgr_rbd_load(char *message, size_t message_bytes);

// A connection to a cluster.

int snapmgr_rados_create(void **cluster, const char *id);
int snapmgr_rados_read_file(void *cluster, const char *path);
int snapmgr_rados_set(void *cluster, const char *key, const char *value);
int snapmgr_rados_get(void *cluster, const char *key, char *value, size_t value_bytes);
int snapmgr_rados_connect(void *cluster);
void snapmgr_rados_shutdown(void *cluster);
int snapmgr_rados_fsid(void *cluster, char *text, size_t text_bytes);
/// The number by which the cluster knows this connection.
uint64_t snapmgr_rados_instance(void *cluster);

/// A pool's namespace; an empty one is the default.
int snapmgr_rados_open_pool(void *cluster, const char *pool, const char *space, void **io);
void snapmgr_rados_close_pool(void *io);

// Small objects.

int64_t snapmgr_rados_read(void *io, const char *object, void *bytes, size_t count);
int snapmgr_rados_write_full(void *io, const char *object, const void *bytes, size_t count);
int snapmgr_rados_remove(void *io, const char *object);

// Images.

int snapmgr_rbd_open(void *io, const char *name, const char *snapshot, int read_only, void **image);
int snapmgr_rbd_close(void *image);
int snapmgr_rbd_size(void *image, uint64_t *bytes);
int snapmgr_rbd_object_bytes(void *image, uint64_t *bytes);
int snapmgr_rbd_resize(void *image, uint64_t bytes);
int snapmgr_rbd_id(void *image, char *text, size_t text_bytes);

#define SNAPMGR_RBD_EXCLUSIVE_LOCK 1
#define SNAPMGR_RBD_FAST_DIFF 2
/// Which of the features above the image has, and can rely on at the moment.
int snapmgr_rbd_features(void *image, unsigned *features);

struct snapmgr_rbd_snapshot {
    char *name;
    uint64_t id;
    uint64_t bytes;
};

/// All snapshots of the image that users can see; to be given back.
int snapmgr_rbd_snapshots(void *image, struct snapmgr_rbd_snapshot **snapshots, size_t *count);
void snapmgr_rbd_free_snapshots(struct snapmgr_rbd_snapshot *snapshots, size_t count);

int snapmgr_rbd_create_snapshot(void *image, const char *name);
int snapmgr_rbd_remove_snapshot(void *image, const char *name);
int snapmgr_rbd_is_protected(void *image, const char *name);
/// Whether any snapshot of the image may have clones that do not protect it.
int snapmgr_rbd_may_have_children(void *image);
/// How many clones the image's snapshot has, which the image was opened at.
int snapmgr_rbd_children(void *image);

int snapmgr_rbd_metadata(void *image, const char *key, char *value, size_t *value_bytes);
int snapmgr_rbd_set_metadata(void *image, const char *key, const char *value);
int snapmgr_rbd_remove_metadata(void *image, const char *key);
/// Up to `maximum` keys after `start`, each with its 0; `key_bytes` is the buffer's size, and becomes the keys'.
int snapmgr_rbd_metadata_keys(
    void *image, const char *start, uint64_t maximum, char *keys, size_t *key_bytes);

struct snapmgr_rbd_extent {
    uint64_t offset;
    uint64_t count;
};

/// What of a range differs between a snapshot (NULL: nothing) and what the image was opened at; to be freed.
///
/// With `whole_objects` the answer is rounded to objects, and comes from the map of objects where that is valid.
/// With `data_only` zeroes are left out. Neighbours are one extent.
int snapmgr_rbd_diff(
    void *image, const char *from, uint64_t offset, uint64_t count, int whole_objects,
    int data_only, struct snapmgr_rbd_extent **extents, size_t *extent_count);

int64_t snapmgr_rbd_read(void *image, uint64_t offset, size_t count, void *bytes);
int64_t snapmgr_rbd_write(void *image, uint64_t offset, size_t count, const void *bytes);
int64_t snapmgr_rbd_zero(void *image, uint64_t offset, size_t count);
int snapmgr_rbd_flush(void *image);

/// Takes the image's lock for this client alone, which keeps all others from writing.
int snapmgr_rbd_lock(void *image);
int snapmgr_rbd_unlock(void *image);
int snapmgr_rbd_has_lock(void *image);
/// The one who has the lock, by its address: empty when nobody has.
int snapmgr_rbd_lock_owner(void *image, char *owner, size_t owner_bytes);
int snapmgr_rbd_break_lock(void *image, const char *owner);

struct snapmgr_rbd_watcher {
    char address[128];
    uint64_t client;
};

/// Who has the image open for writing: as many as there are, of which the first ones are written.
int snapmgr_rbd_watchers(void *image, struct snapmgr_rbd_watcher *watchers, size_t maximum);

#endif
