/* Every read of a file below a folder takes some milliseconds longer, as many as a file says: a disk
 * that is dying. LD_PRELOAD it with LANTAI_TEST_SLOW naming the folder and LANTAI_TEST_SLOW_BY a file of
 * eight bytes: milliseconds, in the machine's order. Only for tests.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static volatile const int64_t *delay_ms;
static const char *folder;

__attribute__((constructor)) static void map_delay(void) {
    const char *path = getenv("LANTAI_TEST_SLOW_BY");
    int descriptor = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    folder = getenv("LANTAI_TEST_SLOW");
    if (descriptor < 0) return;
    void *mapped = mmap(NULL, sizeof *delay_ms, PROT_READ, MAP_SHARED, descriptor, 0);
    if (mapped != MAP_FAILED) delay_ms = mapped;
    close(descriptor);
}

static void wait_for(int descriptor) {
    char name[64], target[4096];
    if (!delay_ms || !*delay_ms || !folder) return;
    snprintf(name, sizeof name, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(name, target, sizeof target - 1);
    if (length < 0) return;
    target[length] = 0;
    if (strncmp(target, folder, strlen(folder))) return;
    struct timespec delay = {*delay_ms / 1000, *delay_ms % 1000 * 1000000};
    nanosleep(&delay, NULL);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t read(int descriptor, void *into, size_t count) {
    wait_for(descriptor);
    return REAL(read)(descriptor, into, count);
}

ssize_t pread(int descriptor, void *into, size_t count, off_t offset) {
    wait_for(descriptor);
    return REAL(pread)(descriptor, into, count, offset);
}

ssize_t pread64(int descriptor, void *into, size_t count, off64_t offset) {
    wait_for(descriptor);
    return REAL(pread64)(descriptor, into, count, offset);
}

ssize_t preadv(int descriptor, const struct iovec *parts, int count, off_t offset) {
    wait_for(descriptor);
    return REAL(preadv)(descriptor, parts, count, offset);
}

ssize_t preadv64(int descriptor, const struct iovec *parts, int count, off64_t offset) {
    wait_for(descriptor);
    return REAL(preadv64)(descriptor, parts, count, offset);
}
