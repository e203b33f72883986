// The only program of a small guest. It counts in memory, writes each count to both of its disks, durably and
// past all caches, and reads both back before it goes on: whoever puts memory and disks of different moments
// together is told on. Most of its memory holds a pattern of the count that it was filled at, and is looked at, too.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { block = 4096, page = 4096, filled_pages = 4096 };

static void load_modules(void) {
  for (int number = 100;; number++) {
    char path[64];
    snprintf(path, sizeof path, "/modules/%d.ko", number);
    int file = open(path, O_RDONLY);
    if (file < 0) return;
    if (syscall(SYS_finit_module, file, "", 0) != 0 && errno != EEXIST) perror(path);
    close(file);
  }
}

static int open_disk(const char *path) {
  for (;;) {
    int disk = open(path, O_RDWR | O_DIRECT | O_DSYNC);
    if (disk >= 0) return disk;
    usleep(100000);
  }
}

static void put(int disk, const char *name, uint64_t count, uint64_t *buffer) {
  for (size_t word = 0; word < block / sizeof *buffer; word++) buffer[word] = count;
  if (pwrite(disk, buffer, block, 0) != block) printf("GUEST ERROR writing %s: %d\n", name, errno);
}

static void look(int disk, const char *name, uint64_t count, uint64_t *buffer) {
  memset(buffer, 0xA5, block);
  if (pread(disk, buffer, block, 0) != block) printf("GUEST ERROR reading %s: %d\n", name, errno);
  if (buffer[0] != count || buffer[block / sizeof *buffer - 1] != count)
    printf("GUEST ERROR %s has %llu, memory has %llu\n", name, (unsigned long long)buffer[0],
           (unsigned long long)count);
}

int main(void) {
  mkdir("/dev", 0755);
  mount("dev", "/dev", "devtmpfs", 0, "");
  int console = open("/dev/console", O_RDWR);
  for (int number = 0; number < 3; number++) dup2(console, number);
  setvbuf(stdout, NULL, _IOLBF, 0);
  load_modules();
  int disks[2] = {open_disk("/dev/vda"), open_disk("/dev/vdb")};
  void *space = NULL;
  if (posix_memalign(&space, page, block) != 0) return 1;
  uint64_t *buffer = space, *memory = malloc((size_t)filled_pages * page);
  // A guest that starts afresh goes on from what its disks have.
  uint64_t count = 0;
  if (pread(disks[0], buffer, block, 0) == block) count = buffer[0];
  if (pread(disks[1], buffer, block, 0) == block && buffer[0] < count) count = buffer[0];
  for (int disk = 0; disk < 2; disk++) put(disks[disk], disk ? "vdb" : "vda", count, buffer);
  for (size_t index = 0; index < filled_pages; index++) memory[index * page / sizeof *memory] = count;
  printf("GUEST STARTS at %llu\n", (unsigned long long)count);
  for (;;) {
    look(disks[0], "vda", count, buffer);
    look(disks[1], "vdb", count, buffer);
    // One page of the pattern follows the count; a page that is older or newer than it must be is told on.
    size_t index = count % filled_pages;
    uint64_t *place = &memory[index * page / sizeof *memory];
    if (*place > count) printf("GUEST ERROR memory has %llu at %llu\n", (unsigned long long)*place,
                               (unsigned long long)count);
    *place = count;
    count++;
    put(disks[0], "vda", count, buffer);
    put(disks[1], "vdb", count, buffer);
    struct timespec rest = {0, 2000000};
    printf("COUNT %llu\n", (unsigned long long)count);
    nanosleep(&rest, NULL);
  }
}
