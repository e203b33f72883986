// What nbdkit calls in the plugin, and the two of its functions that Swift cannot call because they
// are variadic. The callbacks' contract is nbdkit-plugin(3); Swift implements them.
#ifndef SNAPMGR_CNBDKIT_H
#define SNAPMGR_CNBDKIT_H

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

/// Logs an error; the text is not a format.
void snapmgr_nbdkit_error(const char *message);

/// Writes a line on standard error, in one piece.
void snapmgr_put_error_line(const char *line);

/// Logs what `nbdkit -v` shows; the text is not a format.
void snapmgr_nbdkit_debug(const char *message);

int snapmgr_plugin_config(const char *key, const char *value);
int snapmgr_plugin_config_complete(void);
int snapmgr_plugin_get_ready(void);
int snapmgr_plugin_after_fork(void);
void snapmgr_plugin_cleanup(void);
int snapmgr_plugin_list_exports(int readonly, int is_tls, struct nbdkit_exports *exports);
const char *snapmgr_plugin_default_export(int readonly, int is_tls);

void *snapmgr_export_open(int readonly);
void snapmgr_export_close(void *handle);
const char *snapmgr_export_description(void *handle);
int64_t snapmgr_export_get_size(void *handle);
int snapmgr_export_block_size(void *handle, uint32_t *minimum, uint32_t *preferred,
                              uint32_t *maximum);
int snapmgr_export_can_write(void *handle);
int snapmgr_export_can_trim(void *handle);
int snapmgr_export_can_fast_zero(void *handle);
int snapmgr_export_pread(void *handle, void *buffer, uint32_t count, uint64_t offset,
                         uint32_t flags);
int snapmgr_export_pwrite(void *handle, const void *buffer, uint32_t count, uint64_t offset,
                          uint32_t flags);
int snapmgr_export_zero(void *handle, uint32_t count, uint64_t offset, uint32_t flags);
int snapmgr_export_flush(void *handle, uint32_t flags);
int snapmgr_export_extents(void *handle, uint32_t count, uint64_t offset, uint32_t flags,
                           struct nbdkit_extents *extents);

#endif
