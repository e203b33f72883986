#include "CSystem.h"

#include <string.h>

// CRC-32C in the processor's own instructions where it has them, else eight bytes at a time by tables.

static uint32_t tables[8][256];

__attribute__((constructor)) static void make_tables(void) {
  for (uint32_t index = 0; index < 256; index++) {
    uint32_t value = index;
    for (int bit = 0; bit < 8; bit++) value = value & 1 ? 0x82F63B78 ^ (value >> 1) : value >> 1;
    tables[0][index] = value;
  }
  for (uint32_t index = 0; index < 256; index++) {
    for (int table = 1; table < 8; table++) {
      uint32_t before = tables[table - 1][index];
      tables[table][index] = tables[0][before & 0xFF] ^ (before >> 8);
    }
  }
}

static uint32_t by_tables(uint32_t state, const unsigned char *bytes, size_t length) {
  for (; length >= 8; bytes += 8, length -= 8) {
    uint32_t low = state ^ ((uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 |
                            (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24);
    state = tables[7][low & 0xFF] ^ tables[6][low >> 8 & 0xFF] ^ tables[5][low >> 16 & 0xFF] ^
            tables[4][low >> 24] ^ tables[3][bytes[4]] ^ tables[2][bytes[5]] ^
            tables[1][bytes[6]] ^ tables[0][bytes[7]];
  }
  for (; length > 0; bytes++, length--)
    state = tables[0][(state ^ *bytes) & 0xFF] ^ (state >> 8);
  return state;
}

#if defined(__x86_64__)

__attribute__((target("sse4.2"))) static uint32_t by_processor(uint32_t state,
                                                               const unsigned char *bytes,
                                                               size_t length) {
  uint64_t wide = state;
  for (; length >= 8; bytes += 8, length -= 8) {
    uint64_t word;
    memcpy(&word, bytes, 8);
    wide = __builtin_ia32_crc32di(wide, word);
  }
  state = (uint32_t)wide;
  for (; length > 0; bytes++, length--) state = __builtin_ia32_crc32qi(state, *bytes);
  return state;
}

static uint32_t update(uint32_t state, const unsigned char *bytes, size_t length) {
  return __builtin_cpu_supports("sse4.2") ? by_processor(state, bytes, length)
                                          : by_tables(state, bytes, length);
}

#else

static uint32_t update(uint32_t state, const unsigned char *bytes, size_t length) {
  return by_tables(state, bytes, length);
}

#endif

uint32_t snapmgr_crc32c(uint32_t checksum, const void *bytes, size_t length) {
  return ~update(~checksum, bytes, length);
}

uint32_t snapmgr_crc32c_by_tables(uint32_t checksum, const void *bytes, size_t length) {
  return ~by_tables(~checksum, bytes, length);
}
