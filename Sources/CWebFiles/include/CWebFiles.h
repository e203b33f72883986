// Files that the HTTP service hands out, as parts of the program.
#ifndef SNAPMGR_CWEBFILES_H
#define SNAPMGR_CWEBFILES_H

#include <stddef.h>
#include <stdint.h>

/// A file's bytes, which stay where they are.
typedef struct {
  const uint8_t *_Nonnull bytes;
  size_t count;
} snapmgr_web_file;

/// docs/openapi.json
snapmgr_web_file snapmgr_web_openapi(void);

#endif
