// Sums of data: XXH3 for chunks, as fast as memory, and OpenSSL's SHA-256, which uses the processor's own
// instructions.
#ifndef SNAPMGR_CHASH_H
#define SNAPMGR_CHASH_H

#include <stddef.h>
#include <stdint.h>

/// XXH3 with 64 bits, seed 0, of some bytes.
uint64_t snapmgr_xxh3(const void *bytes, size_t count);

#define SNAPMGR_SHA256_BYTES 32

/// Writes the SHA-256 of some bytes; 0 when that fails.
int snapmgr_sha256(const void *bytes, size_t count, uint8_t value[SNAPMGR_SHA256_BYTES]);

/// Writes the HMAC of some bytes by SHA-256 and a key (RFC 2104); 0 when that fails.
int snapmgr_hmac_sha256(const void *key, size_t key_count, const void *bytes, size_t count,
                        uint8_t value[SNAPMGR_SHA256_BYTES]);

#endif
