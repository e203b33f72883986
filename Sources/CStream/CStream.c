#include "CStream.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

struct snapmgr_digest {
  EVP_MD_CTX *context;
  // A copy of the context, of which the digest is taken: taking it ends what it is taken of.
  EVP_MD_CTX *copy;
};

snapmgr_digest *snapmgr_digest_create(void) {
  snapmgr_digest *digest = calloc(1, sizeof *digest);
  if (digest == NULL) return NULL;
  digest->context = EVP_MD_CTX_new();
  digest->copy = EVP_MD_CTX_new();
  if (digest->context == NULL || digest->copy == NULL ||
      EVP_DigestInit_ex(digest->context, EVP_sha256(), NULL) != 1) {
    snapmgr_digest_destroy(digest);
    return NULL;
  }
  return digest;
}

void snapmgr_digest_destroy(snapmgr_digest *digest) {
  if (digest == NULL) return;
  EVP_MD_CTX_free(digest->context);
  EVP_MD_CTX_free(digest->copy);
  free(digest);
}

int snapmgr_digest_update(snapmgr_digest *digest, const void *bytes, size_t count) {
  return count == 0 || EVP_DigestUpdate(digest->context, bytes, count) == 1;
}

int snapmgr_digest_value(const snapmgr_digest *digest, uint8_t value[SNAPMGR_DIGEST_BYTES]) {
  unsigned int count = 0;
  return EVP_MD_CTX_copy_ex(digest->copy, digest->context) == 1 &&
         EVP_DigestFinal_ex(digest->copy, value, &count) == 1 && count == SNAPMGR_DIGEST_BYTES;
}

struct snapmgr_zstd {
  ZSTD_CCtx *compressor;
  ZSTD_DCtx *expander;
};

snapmgr_zstd *snapmgr_zstd_create(void) {
  snapmgr_zstd *zstd = calloc(1, sizeof *zstd);
  if (zstd == NULL) return NULL;
  zstd->compressor = ZSTD_createCCtx();
  zstd->expander = ZSTD_createDCtx();
  if (zstd->compressor == NULL || zstd->expander == NULL) {
    snapmgr_zstd_destroy(zstd);
    return NULL;
  }
  return zstd;
}

void snapmgr_zstd_destroy(snapmgr_zstd *zstd) {
  if (zstd == NULL) return;
  ZSTD_freeCCtx(zstd->compressor);
  ZSTD_freeDCtx(zstd->expander);
  free(zstd);
}

int snapmgr_zstd_level_minimum(void) { return 1; }

int snapmgr_zstd_level_maximum(void) { return 19; }

long snapmgr_zstd_compress(
    snapmgr_zstd *zstd, void *target, size_t capacity, const void *source, size_t count, int level) {
  size_t size = ZSTD_compressCCtx(zstd->compressor, target, capacity, source, count, level);
  return ZSTD_isError(size) ? -1 : (long)size;
}

int snapmgr_zstd_expand(
    snapmgr_zstd *zstd, void *target, size_t count, const void *source, size_t source_count) {
  // Not one of those of before the first release, whose readers some libraries still have.
  static const unsigned char magic[4] = {0x28, 0xB5, 0x2F, 0xFD};
  if (source_count < sizeof magic || memcmp(source, magic, sizeof magic) != 0) return 0;
  // One frame and nothing behind it, which says itself how long its content is.
  if (ZSTD_findFrameCompressedSize(source, source_count) != source_count) return 0;
  if (ZSTD_getFrameContentSize(source, source_count) != count) return 0;
  size_t size = ZSTD_decompressDCtx(zstd->expander, target, count, source, source_count);
  return !ZSTD_isError(size) && size == count;
}
