#define _GNU_SOURCE
#include "CNBDKit.h"

#include <dlfcn.h>
#include <stdio.h>
#include <unistd.h>

// nbdkit's own threads carry thread-local storage of Swift's runtime when they end, which may be
// after nbdkit has unloaded the plugin: its code has to stay.
static void stay_loaded(void) {
  Dl_info info;
  if (dladdr((void *)stay_loaded, &info) != 0) {
    dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
  }
}

// What every export can do; an export that is not writable is asked none of it.
static int yes(void *handle) { return 1; }
static int fua(void *handle) { return NBDKIT_FUA_NATIVE; }

static struct nbdkit_plugin plugin = {
  .name = "snapmgr",
  .longname = "snapmgr volumes and their snapshots",
  .description = "Serves volumes under snapshot management read-write as VOL, and their snapshots\n"
                 "read-only as VOL@ID; as VOL@A..B, what has changed between two of them.",
  .config_help = "volume=NAME:STOREPATH   (required) A volume and its store; may be repeated.",
  .magic_config_key = "volume",

  .load = stay_loaded,
  .config = snapmgr_plugin_config,
  .config_complete = snapmgr_plugin_config_complete,
  .get_ready = snapmgr_plugin_get_ready,
  .after_fork = snapmgr_plugin_after_fork,
  .cleanup = snapmgr_plugin_cleanup,
  .list_exports = snapmgr_plugin_list_exports,
  .default_export = snapmgr_plugin_default_export,

  .open = snapmgr_export_open,
  .close = snapmgr_export_close,
  .export_description = snapmgr_export_description,
  .get_size = snapmgr_export_get_size,
  .block_size = snapmgr_export_block_size,
  .can_write = snapmgr_export_can_write,
  .can_flush = yes,
  .can_trim = snapmgr_export_can_trim,
  .can_zero = yes,
  .can_fast_zero = snapmgr_export_can_fast_zero,
  .can_fua = fua,
  // All connections share one engine, or one page cache: a flush covers the writes of every one of them.
  .can_multi_conn = yes,
  .can_extents = yes,

  .pread = snapmgr_export_pread,
  .pwrite = snapmgr_export_pwrite,
  .trim = snapmgr_export_zero,
  .zero = snapmgr_export_zero,
  .flush = snapmgr_export_flush,
  .extents = snapmgr_export_extents,

  // Every failure is reported with nbdkit_set_error: errno does not survive Swift's code.
  .errno_is_preserved = 0,
};

#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL
NBDKIT_REGISTER_PLUGIN(plugin)

void snapmgr_nbdkit_error(const char *message) { nbdkit_error("%s", message); }
void snapmgr_put_error_line(const char *line) { dprintf(STDERR_FILENO, "%s\n", line); }
void snapmgr_nbdkit_debug(const char *message) { nbdkit_debug("%s", message); }
