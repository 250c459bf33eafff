/* Makes the k-th system call on files below one folder fail, in the process it is preloaded into.
 *
 * Built and steered by tests/failing_calls.py. Sees every call through the C library that changes
 * or reads a file, whoever makes it: Python, ctypes, SQLite. Nothing of the product is replaced.
 * Of a file whose fsync was made to fail it counts every later fsync that said yes.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

/* The numbers of tests/failing_calls.py, How. */
enum { OFF, COUNT, BEFORE, AFTER, SHORT, SHORT_THEN_FULL, FROM };
enum { GO_ON, FAIL, DO_AND_FAIL, HALVE };

static char under[PATH_MAX];
int failing_mode;
static int number;
static atomic_long nth, seen, retries;
static int full_descriptor = -1, log_descriptor = -1;
static char hit[PATH_MAX + 32];
static struct { dev_t device; ino_t inode; } condemned;

static int path_of(int descriptor, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return 1;
}

static int path_at(int folder, const char *name, char *path) {
    if (name[0] == '/' || folder == AT_FDCWD) {
        snprintf(path, PATH_MAX, "%s", name);
        return 1;
    }
    if (!path_of(folder, path)) return 0;
    size_t length = strlen(path);
    snprintf(path + length, PATH_MAX - length, "/%s", name);
    return 1;
}

static int decide(const char *call, const char *path, int can_be_short) {
    if (failing_mode == OFF || strncmp(path, under, strlen(under)) != 0) return GO_ON;
    if ((failing_mode == SHORT || failing_mode == SHORT_THEN_FULL) && !can_be_short) return GO_ON;
    long this = atomic_fetch_add(&seen, 1) + 1;
    if (log_descriptor >= 0) {
        char line[PATH_MAX + 32];
        int length = snprintf(line, sizeof line, "%s %s\n", call, path + strlen(under));
        syscall(SYS_write, log_descriptor, line, length);
    }
    if (failing_mode == COUNT || this < nth || (failing_mode != FROM && this > nth)) return GO_ON;
    if (hit[0] == 0) snprintf(hit, sizeof hit, "%s %s", call, path + strlen(under));
    if (failing_mode == SHORT || failing_mode == SHORT_THEN_FULL) return HALVE;
    return failing_mode == AFTER ? DO_AND_FAIL : FAIL;
}

static int on_descriptor(const char *call, int descriptor, int can_be_short) {
    char path[PATH_MAX];
    if (failing_mode == OFF || !path_of(descriptor, path)) return GO_ON;
    return decide(call, path, can_be_short);
}

static int on_name(const char *call, int folder, const char *name) {
    char path[PATH_MAX];
    if (failing_mode == OFF || !path_at(folder, name, path)) return GO_ON;
    return decide(call, path, 0);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define FAILED (errno = number, -1)
#define CARRY_OUT(action, call)                                       \
    do {                                                              \
        int what = (action);                                          \
        if (what == FAIL) return FAILED;                              \
        __typeof__(call) result = (call);                             \
        return what == DO_AND_FAIL && result >= 0 ? FAILED : result;  \
    } while (0)
/* A descriptor that nobody hears of would stay open for ever. */
#define OPEN(action, call)                                            \
    do {                                                              \
        int what = (action);                                          \
        if (what == FAIL) return FAILED;                              \
        int result = (call);                                          \
        if (what != DO_AND_FAIL || result < 0) return result;         \
        close(result);                                                \
        return FAILED;                                                \
    } while (0)

static int mode_of(int flags, va_list list) {
    return flags & (O_CREAT | __O_TMPFILE) ? va_arg(list, int) : 0;
}

#define OPENING(name)                                                                   \
    int name(const char *path, int flags, ...) {                                        \
        va_list list;                                                                   \
        va_start(list, flags);                                                          \
        int bits = mode_of(flags, list);                                                \
        va_end(list);                                                                   \
        OPEN(on_name("open", AT_FDCWD, path), REAL(name)(path, flags, bits));           \
    }
OPENING(open)
OPENING(open64)

#define OPENING_AT(name)                                                                \
    int name(int folder, const char *path, int flags, ...) {                            \
        va_list list;                                                                   \
        va_start(list, flags);                                                          \
        int bits = mode_of(flags, list);                                                \
        va_end(list);                                                                   \
        OPEN(on_name("open", folder, path), REAL(name)(folder, path, flags, bits));     \
    }
OPENING_AT(openat)
OPENING_AT(openat64)

/* How many of the bytes are to be read or written; -1 when the call is to fail at once. */
static ssize_t allowed(int action, int descriptor, size_t length, int writes) {
    if (writes && descriptor == full_descriptor) {
        full_descriptor = -1;
        return -1;
    }
    if (action == FAIL) return -1;
    if (action != HALVE || length < 2) return length;
    if (failing_mode == SHORT_THEN_FULL && writes) full_descriptor = descriptor;
    return length / 2;
}

#define BYTES(name, word, writes, parameters, real)                                     \
    ssize_t name parameters {                                                           \
        int action = on_descriptor(word, descriptor, 1);                                \
        ssize_t size = allowed(action, descriptor, length, writes);                     \
        if (size < 0) return FAILED;                                                    \
        ssize_t result = real;                                                          \
        return action == DO_AND_FAIL && result >= 0 ? FAILED : result;                  \
    }
BYTES(read, "read", 0, (int descriptor, void *buffer, size_t length),
      REAL(read)(descriptor, buffer, size))
BYTES(pread, "read", 0, (int descriptor, void *buffer, size_t length, off_t offset),
      REAL(pread)(descriptor, buffer, size, offset))
BYTES(pread64, "read", 0, (int descriptor, void *buffer, size_t length, off64_t offset),
      REAL(pread64)(descriptor, buffer, size, offset))
BYTES(write, "write", 1, (int descriptor, const void *buffer, size_t length),
      REAL(write)(descriptor, buffer, size))
BYTES(pwrite, "write", 1,
      (int descriptor, const void *buffer, size_t length, off_t offset),
      REAL(pwrite)(descriptor, buffer, size, offset))
BYTES(pwrite64, "write", 1,
      (int descriptor, const void *buffer, size_t length, off64_t offset),
      REAL(pwrite64)(descriptor, buffer, size, offset))

#define VECTORS(name, offset_type)                                                      \
    ssize_t name(int descriptor, const struct iovec *vector, int count, offset_type at) { \
        CARRY_OUT(on_descriptor("read", descriptor, 0),                                 \
                  REAL(name)(descriptor, vector, count, at));                           \
    }
VECTORS(preadv, off_t)
VECTORS(preadv64, off64_t)

static int synced(const char *call, int descriptor, int (*real)(int)) {
    int action = on_descriptor(call, descriptor, 0);
    struct stat facts;
    int is_file = failing_mode != OFF && fstat(descriptor, &facts) == 0 && S_ISREG(facts.st_mode);
    if (action == GO_ON) {
        int result = real(descriptor);
        if (result == 0 && is_file && condemned.inode == facts.st_ino &&
            condemned.device == facts.st_dev)
            atomic_fetch_add(&retries, 1);
        return result;
    }
    if (is_file) condemned.device = facts.st_dev, condemned.inode = facts.st_ino;
    if (action == DO_AND_FAIL) real(descriptor);
    return FAILED;
}
int fsync(int descriptor) { return synced("fsync", descriptor, REAL(fsync)); }
int fdatasync(int descriptor) { return synced("fdatasync", descriptor, REAL(fdatasync)); }
int syncfs(int descriptor) {
    CARRY_OUT(on_descriptor("syncfs", descriptor, 0), REAL(syncfs)(descriptor));
}

int rename(const char *source, const char *target) {
    CARRY_OUT(on_name("rename", AT_FDCWD, target), REAL(rename)(source, target));
}
int renameat(int from, const char *source, int to, const char *target) {
    CARRY_OUT(on_name("rename", to, target), REAL(renameat)(from, source, to, target));
}
int renameat2(int from, const char *source, int to, const char *target, unsigned int flags) {
    CARRY_OUT(on_name("rename", to, target), REAL(renameat2)(from, source, to, target, flags));
}
int link(const char *source, const char *target) {
    CARRY_OUT(on_name("link", AT_FDCWD, target), REAL(link)(source, target));
}
int linkat(int from, const char *source, int to, const char *target, int flags) {
    CARRY_OUT(on_name("link", to, target), REAL(linkat)(from, source, to, target, flags));
}
int unlink(const char *path) {
    CARRY_OUT(on_name("unlink", AT_FDCWD, path), REAL(unlink)(path));
}
int unlinkat(int folder, const char *path, int flags) {
    CARRY_OUT(on_name("unlink", folder, path), REAL(unlinkat)(folder, path, flags));
}
int mkdir(const char *path, mode_t bits) {
    CARRY_OUT(on_name("mkdir", AT_FDCWD, path), REAL(mkdir)(path, bits));
}
int mkdirat(int folder, const char *path, mode_t bits) {
    CARRY_OUT(on_name("mkdir", folder, path), REAL(mkdirat)(folder, path, bits));
}
int rmdir(const char *path) {
    CARRY_OUT(on_name("rmdir", AT_FDCWD, path), REAL(rmdir)(path));
}
int ftruncate(int descriptor, off_t length) {
    CARRY_OUT(on_descriptor("truncate", descriptor, 0), REAL(ftruncate)(descriptor, length));
}
int ftruncate64(int descriptor, off64_t length) {
    CARRY_OUT(on_descriptor("truncate", descriptor, 0), REAL(ftruncate64)(descriptor, length));
}
int fchmod(int descriptor, mode_t bits) {
    CARRY_OUT(on_descriptor("chmod", descriptor, 0), REAL(fchmod)(descriptor, bits));
}
int chmod(const char *path, mode_t bits) {
    CARRY_OUT(on_name("chmod", AT_FDCWD, path), REAL(chmod)(path, bits));
}

/* Gives the error as its result, unlike the others. */
#define FALLOCATE(name, offset_type)                                                    \
    int name(int descriptor, offset_type offset, offset_type length) {                  \
        int action = on_descriptor("fallocate", descriptor, 0);                         \
        if (action == FAIL) return number;                                              \
        int result = REAL(name)(descriptor, offset, length);                            \
        return action == DO_AND_FAIL ? number : result;                                 \
    }
FALLOCATE(posix_fallocate, off_t)
FALLOCATE(posix_fallocate64, off64_t)

/* From here on: what tests/failing_calls.py calls. */

void failing_arm(const char *folder, int how, long k, int error) {
    snprintf(under, sizeof under, "%s", folder);
    hit[0] = 0;
    condemned.inode = 0;
    full_descriptor = -1;
    atomic_store(&seen, 0);
    atomic_store(&retries, 0);
    atomic_store(&nth, k);
    number = error;
    failing_mode = how;
}
void failing_disarm(void) { failing_mode = OFF; }
void failing_keep_log(int descriptor) { log_descriptor = descriptor; }
long failing_seen(void) { return atomic_load(&seen); }
long failing_retries(void) { return atomic_load(&retries); }
const char *failing_hit(void) { return hit; }
