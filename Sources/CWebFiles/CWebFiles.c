#include "CWebFiles.h"

// A change of a file has this compiled again: the compiler notes what it has embedded.
#pragma clang diagnostic ignored "-Wc23-extensions"

static const uint8_t openapi[] = {
#embed "../../docs/openapi.json"
};

snapmgr_web_file snapmgr_web_openapi(void) {
  return (snapmgr_web_file){openapi, sizeof openapi};
}
