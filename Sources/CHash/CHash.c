#include "CHash.h"

#include <limits.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

// The whole function is in the header: no library is needed where it runs.
#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t snapmgr_xxh3(const void *bytes, size_t count) { return XXH3_64bits(bytes, count); }

int snapmgr_sha256(const void *bytes, size_t count, uint8_t value[SNAPMGR_SHA256_BYTES]) {
  unsigned int length = 0;
  return EVP_Digest(bytes, count, value, &length, EVP_sha256(), NULL) == 1 &&
         length == SNAPMGR_SHA256_BYTES;
}

int snapmgr_hmac_sha256(const void *key, size_t key_count, const void *bytes, size_t count,
                        uint8_t value[SNAPMGR_SHA256_BYTES]) {
  unsigned int length = 0;
  return key_count <= INT_MAX &&
         HMAC(EVP_sha256(), key, (int)key_count, bytes, count, value, &length) != NULL &&
         length == SNAPMGR_SHA256_BYTES;
}
