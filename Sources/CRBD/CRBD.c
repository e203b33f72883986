#include "CRBD.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <rados/librados.h>
#include <rbd/librbd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RADOS_CALLS(CALL) \
    CALL(rados_create) CALL(rados_conf_read_file) CALL(rados_conf_set) CALL(rados_conf_get) \
    CALL(rados_connect) CALL(rados_shutdown) CALL(rados_cluster_fsid) CALL(rados_get_instance_id) \
    CALL(rados_ioctx_create) CALL(rados_ioctx_set_namespace) CALL(rados_ioctx_destroy) \
    CALL(rados_read) CALL(rados_write_full) CALL(rados_remove)

#define RBD_CALLS(CALL) \
    CALL(rbd_open) CALL(rbd_open_read_only) CALL(rbd_close) CALL(rbd_get_size) CALL(rbd_stat) \
    CALL(rbd_resize) CALL(rbd_get_id) CALL(rbd_get_features) CALL(rbd_get_flags) CALL(rbd_get_op_features) \
    CALL(rbd_snap_list) CALL(rbd_snap_list_end) CALL(rbd_snap_create) CALL(rbd_snap_remove) \
    CALL(rbd_snap_is_protected) CALL(rbd_snap_get_namespace_type) CALL(rbd_list_children3) \
    CALL(rbd_metadata_get) CALL(rbd_metadata_set) \
    CALL(rbd_metadata_remove) CALL(rbd_metadata_list) CALL(rbd_diff_iterate2) CALL(rbd_read) \
    CALL(rbd_write) CALL(rbd_write_zeroes) CALL(rbd_flush) CALL(rbd_lock_acquire) \
    CALL(rbd_lock_release) CALL(rbd_lock_get_owners) CALL(rbd_lock_get_owners_cleanup) \
    CALL(rbd_lock_break) CALL(rbd_is_exclusive_lock_owner) CALL(rbd_watchers_list) \
    CALL(rbd_watchers_list_cleanup)

#define POINTER(name) __typeof__(&name) name;
static struct {
    RADOS_CALLS(POINTER)
    RBD_CALLS(POINTER)
} api;

static pthread_mutex_t loading = PTHREAD_MUTEX_INITIALIZER;
static int is_loaded;

static int fail(char *message, size_t message_bytes, const char *library, const char *name) {
    const char *words = dlerror();
    snprintf(message, message_bytes, "%s%s%s: %s", library, name[0] ? ", " : "", name,
             words ? words : "not found");
    return -1;
}

static int load(char *message, size_t message_bytes) {
    // Never closed: the libraries have threads. One knows the other by its name.
    void *rados = dlopen("librados.so.2", RTLD_NOW | RTLD_LOCAL);
    if (!rados) return fail(message, message_bytes, "librados.so.2", "");
    void *rbd = dlopen("librbd.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!rbd) return fail(message, message_bytes, "librbd.so.1", "");
#define LOAD_RADOS(name) \
    if (!(api.name = (__typeof__(&name))dlsym(rados, #name))) \
        return fail(message, message_bytes, "librados.so.2", #name);
#define LOAD_RBD(name) \
    if (!(api.name = (__typeof__(&name))dlsym(rbd, #name))) \
        return fail(message, message_bytes, "librbd.so.1", #name);
    RADOS_CALLS(LOAD_RADOS)
    RBD_CALLS(LOAD_RBD)
    return 0;
}

int snapmgr_rbd_load(char *message, size_t message_bytes) {
    int result = 0;
    pthread_mutex_lock(&loading);
    if (!is_loaded) {
        result = load(message, message_bytes);
        is_loaded = result == 0;
    }
    pthread_mutex_unlock(&loading);
    return result;
}

// A connection.

int snapmgr_rados_create(void **cluster, const char *id) { return api.rados_create(cluster, id); }

int snapmgr_rados_read_file(void *cluster, const char *path) {
    return api.rados_conf_read_file(cluster, path);
}

int snapmgr_rados_set(void *cluster, const char *key, const char *value) {
    return api.rados_conf_set(cluster, key, value);
}

int snapmgr_rados_get(void *cluster, const char *key, char *value, size_t value_bytes) {
    return api.rados_conf_get(cluster, key, value, value_bytes);
}

int snapmgr_rados_connect(void *cluster) { return api.rados_connect(cluster); }

void snapmgr_rados_shutdown(void *cluster) { api.rados_shutdown(cluster); }

int snapmgr_rados_fsid(void *cluster, char *text, size_t text_bytes) {
    return api.rados_cluster_fsid(cluster, text, text_bytes);
}

uint64_t snapmgr_rados_instance(void *cluster) { return api.rados_get_instance_id(cluster); }

int snapmgr_rados_open_pool(void *cluster, const char *pool, const char *space, void **io) {
    int result = api.rados_ioctx_create(cluster, pool, io);
    if (result == 0 && space[0]) api.rados_ioctx_set_namespace(*io, space);
    return result;
}

void snapmgr_rados_close_pool(void *io) { api.rados_ioctx_destroy(io); }

int64_t snapmgr_rados_read(void *io, const char *object, void *bytes, size_t count) {
    return api.rados_read(io, object, bytes, count, 0);
}

int snapmgr_rados_write_full(void *io, const char *object, const void *bytes, size_t count) {
    return api.rados_write_full(io, object, bytes, count);
}

int snapmgr_rados_remove(void *io, const char *object) { return api.rados_remove(io, object); }

// Images.

int snapmgr_rbd_open(
    void *io, const char *name, const char *snapshot, int read_only, void **image) {
    return read_only ? api.rbd_open_read_only(io, name, image, snapshot)
                     : api.rbd_open(io, name, image, snapshot);
}

int snapmgr_rbd_close(void *image) { return api.rbd_close(image); }

int snapmgr_rbd_size(void *image, uint64_t *bytes) { return api.rbd_get_size(image, bytes); }

int snapmgr_rbd_object_bytes(void *image, uint64_t *bytes) {
    rbd_image_info_t info;
    int result = api.rbd_stat(image, &info, sizeof info);
    if (result == 0) *bytes = info.obj_size;
    return result;
}

int snapmgr_rbd_resize(void *image, uint64_t bytes) { return api.rbd_resize(image, bytes); }

int snapmgr_rbd_id(void *image, char *text, size_t text_bytes) {
    return api.rbd_get_id(image, text, text_bytes);
}

int snapmgr_rbd_features(void *image, unsigned *features) {
    uint64_t known = 0, flags = 0;
    int result = api.rbd_get_features(image, &known);
    if (result == 0) result = api.rbd_get_flags(image, &flags);
    if (result < 0) return result;
    *features = 0;
    if (known & RBD_FEATURE_EXCLUSIVE_LOCK) *features |= SNAPMGR_RBD_EXCLUSIVE_LOCK;
    if ((known & RBD_FEATURE_FAST_DIFF) && (known & RBD_FEATURE_OBJECT_MAP) &&
        !(flags & (RBD_FLAG_FAST_DIFF_INVALID | RBD_FLAG_OBJECT_MAP_INVALID)))
        *features |= SNAPMGR_RBD_FAST_DIFF;
    return 0;
}

// Those of groups, of mirrors and in the trash are not the users'. One that has gone since it was listed is none; an
// error is told: a snapshot must not be taken for one that is not there.
static int is_users(void *image, uint64_t id) {
    rbd_snap_namespace_type_t type;
    int result = api.rbd_snap_get_namespace_type(image, id, &type);
    if (result == -ENOENT) return 0;
    return result < 0 ? result : type == RBD_SNAP_NAMESPACE_TYPE_USER;
}

static int keep_snapshots(
    void *image, const rbd_snap_info_t *found, int found_count,
    struct snapmgr_rbd_snapshot **snapshots, size_t *count) {
    *snapshots = calloc(found_count + 1, sizeof **snapshots);
    if (!*snapshots) return -ENOMEM;
    *count = 0;
    for (int index = 0; index < found_count; index++) {
        int is_kept = is_users(image, found[index].id);
        if (is_kept < 0) {
            snapmgr_rbd_free_snapshots(*snapshots, *count);
            return is_kept;
        }
        if (!is_kept) continue;
        struct snapmgr_rbd_snapshot *kept = *snapshots + *count;
        kept->name = strdup(found[index].name);
        if (!kept->name) {
            snapmgr_rbd_free_snapshots(*snapshots, *count);
            return -ENOMEM;
        }
        kept->id = found[index].id;
        kept->bytes = found[index].size;
        *count += 1;
    }
    return 0;
}

int snapmgr_rbd_snapshots(void *image, struct snapmgr_rbd_snapshot **snapshots, size_t *count) {
    for (int room = 64;;) {
        rbd_snap_info_t *found = calloc(room, sizeof *found);
        if (!found) return -ENOMEM;
        int result = api.rbd_snap_list(image, found, &room);
        // `room` says by now how many there are.
        if (result == -ERANGE) {
            free(found);
            continue;
        }
        if (result >= 0) {
            int kept = keep_snapshots(image, found, result, snapshots, count);
            api.rbd_snap_list_end(found);
            result = kept;
        }
        free(found);
        return result;
    }
}

void snapmgr_rbd_free_snapshots(struct snapmgr_rbd_snapshot *snapshots, size_t count) {
    for (size_t index = 0; index < count; index++) free(snapshots[index].name);
    free(snapshots);
}

int snapmgr_rbd_create_snapshot(void *image, const char *name) {
    return api.rbd_snap_create(image, name);
}

int snapmgr_rbd_remove_snapshot(void *image, const char *name) {
    return api.rbd_snap_remove(image, name);
}

int snapmgr_rbd_is_protected(void *image, const char *name) {
    int is_protected = 0;
    int result = api.rbd_snap_is_protected(image, name, &is_protected);
    return result < 0 ? result : is_protected;
}

int snapmgr_rbd_may_have_children(void *image) {
    uint64_t operations = 0;
    int result = api.rbd_get_op_features(image, &operations);
    return result < 0 ? result : (operations & RBD_OPERATION_FEATURE_CLONE_PARENT) != 0;
}

int snapmgr_rbd_children(void *image) {
    size_t count = 0;
    int result = api.rbd_list_children3(image, NULL, &count);
    return result < 0 && result != -ERANGE ? result : (int)count;
}

int snapmgr_rbd_metadata(void *image, const char *key, char *value, size_t *value_bytes) {
    return api.rbd_metadata_get(image, key, value, value_bytes);
}

int snapmgr_rbd_set_metadata(void *image, const char *key, const char *value) {
    return api.rbd_metadata_set(image, key, value);
}

int snapmgr_rbd_remove_metadata(void *image, const char *key) {
    return api.rbd_metadata_remove(image, key);
}

int snapmgr_rbd_metadata_keys(
    void *image, const char *start, uint64_t maximum, char *keys, size_t *key_bytes) {
    // The values come with them; as much room as they may take is found out by asking.
    for (size_t room = 1 << 16, wanted = *key_bytes;;) {
        char *values = malloc(room);
        if (!values) return -ENOMEM;
        size_t value_bytes = room;
        *key_bytes = wanted;
        int result =
            api.rbd_metadata_list(image, start, maximum, keys, key_bytes, values, &value_bytes);
        free(values);
        if (result != -ERANGE || *key_bytes > wanted || value_bytes <= room) return result;
        room = value_bytes;
    }
}

// What a diff has found so far.
struct collection {
    struct snapmgr_rbd_extent *extents;
    size_t count, room;
    int data_only;
};

static int collect(uint64_t offset, size_t count, int exists, void *argument) {
    struct collection *found = argument;
    if (!count || (found->data_only && !exists)) return 0;
    if (found->count) {
        struct snapmgr_rbd_extent *last = found->extents + found->count - 1;
        if (last->offset + last->count == offset) {
            last->count += count;
            return 0;
        }
    }
    if (found->count == found->room) {
        size_t room = found->room ? 2 * found->room : 256;
        void *extents = realloc(found->extents, room * sizeof *found->extents);
        if (!extents) return -ENOMEM;
        found->extents = extents;
        found->room = room;
    }
    found->extents[found->count++] = (struct snapmgr_rbd_extent){offset, count};
    return 0;
}

int snapmgr_rbd_diff(
    void *image, const char *from, uint64_t offset, uint64_t count, int whole_objects,
    int data_only, struct snapmgr_rbd_extent **extents, size_t *extent_count) {
    struct collection found = {.data_only = data_only};
    int result = api.rbd_diff_iterate2(
        image, from, offset, count, 1, whole_objects != 0, collect, &found);
    if (result < 0) {
        free(found.extents);
        return result;
    }
    *extents = found.extents;
    *extent_count = found.count;
    return 0;
}

int64_t snapmgr_rbd_read(void *image, uint64_t offset, size_t count, void *bytes) {
    return api.rbd_read(image, offset, count, bytes);
}

int64_t snapmgr_rbd_write(void *image, uint64_t offset, size_t count, const void *bytes) {
    return api.rbd_write(image, offset, count, bytes);
}

int64_t snapmgr_rbd_zero(void *image, uint64_t offset, size_t count) {
    return api.rbd_write_zeroes(image, offset, count, 0, 0);
}

int snapmgr_rbd_flush(void *image) { return api.rbd_flush(image); }

int snapmgr_rbd_lock(void *image) {
    return api.rbd_lock_acquire(image, RBD_LOCK_MODE_EXCLUSIVE);
}

int snapmgr_rbd_unlock(void *image) { return api.rbd_lock_release(image); }

int snapmgr_rbd_has_lock(void *image) {
    int is_owner = 0;
    int result = api.rbd_is_exclusive_lock_owner(image, &is_owner);
    return result < 0 ? result : is_owner;
}

int snapmgr_rbd_lock_owner(void *image, char *owner, size_t owner_bytes) {
    rbd_lock_mode_t mode;
    char *owners[8] = {0};
    size_t count = sizeof owners / sizeof *owners;
    owner[0] = 0;
    int result = api.rbd_lock_get_owners(image, &mode, owners, &count);
    if (result == -ENOENT) return 0;
    if (result < 0) return result;
    if (count > 0) snprintf(owner, owner_bytes, "%s", owners[0]);
    api.rbd_lock_get_owners_cleanup(owners, count);
    return 0;
}

int snapmgr_rbd_break_lock(void *image, const char *owner) {
    return api.rbd_lock_break(image, RBD_LOCK_MODE_EXCLUSIVE, owner);
}

int snapmgr_rbd_watchers(void *image, struct snapmgr_rbd_watcher *watchers, size_t maximum) {
    for (size_t room = 16;;) {
        rbd_image_watcher_t *found = calloc(room, sizeof *found);
        if (!found) return -ENOMEM;
        int result = api.rbd_watchers_list(image, found, &room);
        if (result == -ERANGE) {
            free(found);
            continue;
        }
        if (result == 0) {
            for (size_t index = 0; index < room && index < maximum; index++) {
                snprintf(watchers[index].address, sizeof watchers[index].address, "%s",
                         found[index].addr);
                watchers[index].client = (uint64_t)found[index].id;
            }
            api.rbd_watchers_list_cleanup(found, room);
            result = (int)room;
        }
        free(found);
        return result;
    }
}
