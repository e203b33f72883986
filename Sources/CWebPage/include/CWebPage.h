// The files of Sources/Web/Page, as parts of the program.
#ifndef SNAPMGR_CWEBPAGE_H
#define SNAPMGR_CWEBPAGE_H

#include <stddef.h>
#include <stdint.h>

/// A file of the page: its name, and its bytes, which stay where they are.
typedef struct {
  const char *_Nonnull name;
  const uint8_t *_Nonnull bytes;
  size_t count;
} snapmgr_web_page_file;

/// How many there are.
size_t snapmgr_web_page_count(void);

/// One of them, from 0; the first is index.html.
snapmgr_web_page_file snapmgr_web_page_at(size_t index);

#endif
