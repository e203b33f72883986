// What a stream of snapshots needs of libraries: OpenSSL's SHA-256, which uses the processor's own
// instructions, and zstd of one piece at a time.
//
// A handle serves one thread at a time. Every function but the two that make handles may be given what
// they returned only when that is not NULL.
#ifndef SNAPMGR_CSTREAM_H
#define SNAPMGR_CSTREAM_H

#include <stddef.h>
#include <stdint.h>

/// A SHA-256 that is being computed.
typedef struct snapmgr_digest snapmgr_digest;

#define SNAPMGR_DIGEST_BYTES 32

/// NULL when there is no memory for it, or no SHA-256.
snapmgr_digest *snapmgr_digest_create(void);
void snapmgr_digest_destroy(snapmgr_digest *digest);
/// Adds bytes; 0 when that fails.
int snapmgr_digest_update(snapmgr_digest *digest, const void *bytes, size_t count);
/// Writes the digest of all bytes so far, to which more may be added; 0 when that fails.
int snapmgr_digest_value(const snapmgr_digest *digest, uint8_t value[SNAPMGR_DIGEST_BYTES]);

/// Contexts of zstd, one for each direction.
typedef struct snapmgr_zstd snapmgr_zstd;

/// NULL when there is no memory for it.
snapmgr_zstd *snapmgr_zstd_create(void);
void snapmgr_zstd_destroy(snapmgr_zstd *zstd);
int snapmgr_zstd_level_minimum(void);
int snapmgr_zstd_level_maximum(void);
/// Compresses a piece into one frame; its size, or -1 when it does not fit into `capacity` bytes.
long snapmgr_zstd_compress(
    snapmgr_zstd *zstd, void *target, size_t capacity, const void *source, size_t count, int level);
/// Expands one frame, which must give `count` bytes exactly; 0 when it does not. No memory is taken for what
/// the frame says of itself.
int snapmgr_zstd_expand(
    snapmgr_zstd *zstd, void *target, size_t count, const void *source, size_t source_count);

#endif
