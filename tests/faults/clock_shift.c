/* The wall clock of one process is shifted by as many seconds as a file says, from one moment to the
 * next: what a wrong time server, a dead battery or a mistyped year does. Monotonic clocks go on.
 *
 * gcc -shared -fPIC -O2 -o clock_shift.so clock_shift.c, then LD_PRELOAD it with LANTAI_TEST_CLOCK
 * naming a file of eight bytes: seconds, signed, in the machine's order. Only for tests.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile const int64_t *shift;

__attribute__((constructor)) static void map_shift(void) {
    const char *path = getenv("LANTAI_TEST_CLOCK");
    int descriptor = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (descriptor < 0) return;
    void *mapped = mmap(NULL, sizeof *shift, PROT_READ, MAP_SHARED, descriptor, 0);
    if (mapped != MAP_FAILED) shift = mapped;
    close(descriptor);
}

static int64_t shifted_by(clockid_t clock) {
    int is_wall = clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE;
    return is_wall && shift ? *shift : 0;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = (int)syscall(SYS_clock_gettime, clock, now);
    if (!failed) now->tv_sec += shifted_by(clock);
    return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    int failed = (int)syscall(SYS_gettimeofday, now, zone);
    if (!failed) now->tv_sec += shifted_by(CLOCK_REALTIME);
    return failed;
}

time_t time(time_t *into) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (into) *into = now.tv_sec;
    return now.tv_sec;
}
